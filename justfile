# What CI runs is what a developer runs; each recipe is a script of the same name.
default: check

setup:
    sh scripts/setup dev

check:
    sh scripts/check

test *args:
    sh scripts/test {{args}}

bench *args:
    sh scripts/bench {{args}}

docs *args:
    sh scripts/docs {{args}}
