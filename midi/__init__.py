"""Musical data: notes, time, ports, files and event rows."""
