"""The order in which a person expects names."""


def natural_key(name):
    """Sort key under which "w2" comes before "w10"; only decimal digits count as numbers."""
    digits = ""
    key = []
    for character in f"{name} ":
        if character.isdecimal():
            digits += character
            continue
        if digits:
            key.append((0, int(digits), ""))
            digits = ""
        key.append((1, 0, character))
    return key
