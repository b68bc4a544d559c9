# Sum of the numbers from 1 to n, n being the first argument (r0).
main:
LOAD 1 => r1  # step
LOAD 0 => r2  # number
LOAD 0 => r3  # sum so far
@next
ADD r2 r1 => r2
ADD r3 r2 => r3
JUMP_IF_ABOVE r0 r2 @next
RETURN r3
