"""What ``fastsumo guide`` shows: a page of Markdown a task, in the order of `index.md`; and example scripts."""
