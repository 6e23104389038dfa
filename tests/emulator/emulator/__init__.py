"""Runs unmodified firmware of Nordic's chips instruction by instruction, and cuts its power.

`chip` is the chip: CPU, RAM, and the registers that the bootloader uses. `flash` is its flash and what a
cut leaves there. `story` is a life of a device, from a power-on until nothing happens any more, and
`cuts` tries the cuts of a story. The program is `python -m emulator STORY.json`; it prints JSON.
"""
