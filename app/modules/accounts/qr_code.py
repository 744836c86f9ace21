"""Pictures that a device reads with its camera."""

from markupsafe import Markup

SCALE = 5


def qr_code(text: str) -> Markup:
    """The picture as SVG, dark on light in both schemes: cameras expect it so."""
    # Imported here: few people ever set up a second factor.
    import segno

    # segno writes numbers and colours only; nothing of `text` is markup.
    return Markup(segno.make(text, error="m").svg_inline(scale=SCALE, light="#fff", omitsize=False))  # noqa: S704
