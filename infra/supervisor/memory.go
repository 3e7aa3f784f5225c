package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const cgroupRoot = "/sys/fs/cgroup"

// killsForMemory counts the processes of this container that were killed because its memory limit was reached; -1 where
// nothing tells. A container sees its own control group at the root.
func killsForMemory(root string) int {
	if n, ok := counter(filepath.Join(root, "memory.events"), "oom_kill"); ok { // version 2
		return n
	}
	v1 := filepath.Join(root, "memory")
	if n, ok := counter(filepath.Join(v1, "memory.oom_control"), "oom_kill"); ok {
		return n
	}
	// Kernels before 4.13: how often the limit was reached, which says enough when something was killed as well.
	text, err := os.ReadFile(filepath.Join(v1, "memory.failcnt"))
	if err != nil {
		return -1
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return -1
	}
	return n
}

// counter reads one of the lines "name value" of a file.
func counter(file, name string) (int, bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == name {
			n, err := strconv.Atoi(fields[1])
			return n, err == nil
		}
	}
	return 0, false
}
