"""What runs beside TensorRT, in a process of its own.

The interpreter that holds TensorRT may be as old as Python 3.8 and have nothing else installed: so
these modules import the standard library, `tensorrt` and each other alone.
"""
