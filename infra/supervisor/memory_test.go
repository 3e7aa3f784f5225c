package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestKillsForMemoryAreReadFromEitherVersionOfControlGroups(t *testing.T) {
	for _, c := range []struct {
		file, text string
		want       int
	}{
		{"memory.events", "low 0\nhigh 7\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n", 2},
		{"memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n", 5},
		{"memory/memory.failcnt", "31\n", 31},
		{"memory/other", "", -1},
	} {
		root := t.TempDir()
		file := filepath.Join(root, c.file)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := killsForMemory(root); got != c.want {
			t.Errorf("%s: %d", c.file, got)
		}
	}
}

func TestSomeEndsAskForAnotherPod(t *testing.T) {
	for _, c := range []struct {
		code      int
		told, oom bool
		want      bool
	}{
		{0, true, false, false},
		{1, true, false, false},
		{75, false, false, true},
		{76, true, false, true},
		{143, true, false, true},
		{143, false, false, false},
		{137, true, false, true},
		{137, false, true, true},
		{137, false, false, false},
		{1, false, true, false},
		{139, true, true, false},
	} {
		if got := asksForAnotherPod(c.code, c.told, c.oom); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
