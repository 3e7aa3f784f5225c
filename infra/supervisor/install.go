package main

import (
	"io"
	"os"
	"path/filepath"
)

// Where images keep their certificate authorities; Go's own list of places is not exported.
const authoritiesOfImage = "/etc/ssl/certs/ca-certificates.crt"

// Beside the installed supervisor, for images that bring none of their own.
const authoritiesFile = "ca-certificates.crt"

// install copies this program, and the certificate authorities of its image, where other containers can run it.
func install(dir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := copyFile(authoritiesOfImage, filepath.Join(dir, authoritiesFile), 0o644); err != nil && !os.IsNotExist(err) {
		return err
	}
	return copyFile(self, filepath.Join(dir, "supervisor"), 0o755)
}

// copyFile puts a whole file in place in one step, so that nobody ever runs half of it.
func copyFile(source, target string, mode os.FileMode) error {
	from, err := os.Open(source)
	if err != nil {
		return err
	}
	defer from.Close()
	part := target + ".part"
	to, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	if _, err = io.Copy(to, from); err == nil {
		err = to.Chmod(mode) // whatever the umask is
	}
	if closed := to.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(part, target)
}
