"""python -m keras_inr fit --image=my.jpg, the same as keras-inr fit --image=my.jpg"""

from keras_inr.cli.main import main

if __name__ == "__main__":
    main()
