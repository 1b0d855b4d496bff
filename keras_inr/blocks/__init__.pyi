from keras_inr.blocks.plan import BlockPlan as BlockPlan
from keras_inr.blocks.plan import plan_blocks as plan_blocks
from keras_inr.blocks.run import run_blocks as run_blocks
from keras_inr.blocks.store import open_blocks as open_blocks
