"""What goes over a MIDI cable."""

ON, OFF = 0x90, 0x80


def wire_is_balanced(heard):
    """Every note-on closed by exactly one note-off, none struck twice while it sounds."""
    sounding = set()
    for data in heard:
        key = (data[0] & 15, data[1])
        if data[0] & 0xF0 == ON:
            if key in sounding:
                return False
            sounding.add(key)
        elif data[0] & 0xF0 == OFF:
            if key not in sounding:
                return False
            sounding.remove(key)
    return not sounding
