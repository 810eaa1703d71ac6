"""The colours of every figure, from Okabe & Ito (2008), and the hatches that tell areas apart in grey."""

BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#666666"
SKY, PINK = "#56B4E9", "#CC79A7"
LIGHT = "#D9D9D9"
AREAS = (SKY, ORANGE, GREEN, PINK, BLUE, RED, "#F0E442", GREY)
HATCHES = ("", "//", "..", "\\\\", "xx", "--", "oo", "++")
