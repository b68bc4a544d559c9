#!/bin/sh
# Run the training with the PyPy that counts: with its JIT, and without, because programs spend their
# first seconds in the interpreter.
set -eu
goal=/work/tree/pypy/goal
for file in "$goal"/*-c "$goal"/*-c.so; do
    cp "/work/link/build/${file##*/}" "$file"
done
set -- "$goal"/pypy*-c
"$1" /optimize/training.py
"$1" --jit off /optimize/training.py
