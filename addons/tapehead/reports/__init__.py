"""Reports on audits, diffs and recordings: text, JSON, JUnit XML, SARIF, CSV, HTML. They open no file but assets."""
