"""The published studies, one package each. From the root of the repository: python -m experiments.zoo.study --help"""

# Before a study itself runs: sys.argv[0] is "-m" only while `python -m` imports the packages above it. keras_inr then
# leaves TensorFlow alone, as for its own command, and startup.start() can import it quietly.
import keras_inr  # noqa: F401
