"""A screen as images: layouts of plates, lazy access to fields, cells and their crops, features."""
