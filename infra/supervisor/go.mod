module gyre.dev/supervisor

go 1.24
