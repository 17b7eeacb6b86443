"""What is remembered, on SQLite or PostgreSQL: tables, one file of queries for each noun, migrations."""
