"""The diff in the forms that people and programs read: text, JSON, a page. Its shape is published as a JSON Schema."""
