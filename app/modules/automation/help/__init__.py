"""The help page, made of what the product declares about itself: triggers, fields, operators, actions, options."""
