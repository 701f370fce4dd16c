"""Reports on audits and diffs, rendered as text, JSON, JUnit XML, SARIF and HTML. They open no file but assets."""
