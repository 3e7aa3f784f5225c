package main

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func split(from io.Reader) []string {
	var lines []string
	readLines(from, func(line []byte) { lines = append(lines, string(line)) }, func() {})
	return lines
}

func TestLinesAreTheSameHoweverTheyArrive(t *testing.T) {
	const text = "one\n\ntwo\r\nlast without line feed"
	const want = `["one" "" "two\r" "last without line feed"]`
	if got := fmt.Sprintf("%q", split(strings.NewReader(text))); got != want {
		t.Error(got)
	}
	if got := fmt.Sprintf("%q", split(iotest.OneByteReader(strings.NewReader(text)))); got != want {
		t.Error(got)
	}
}

func TestAVeryLongLineComesInPiecesOfWholeCharacters(t *testing.T) {
	text := "x" + strings.Repeat("ü", longestLine) // two bytes each: a cut at the limit would halve one
	lines := split(strings.NewReader(text + "\nnext"))
	if strings.Join(lines[:len(lines)-1], "") != text || lines[len(lines)-1] != "next" {
		t.Error("not the same text")
	}
	for _, line := range lines {
		if len(line) > longestLine || strings.ToValidUTF8(line, "") != line {
			t.Error("a piece is too long, or cuts a character")
		}
	}
	if len(lines[0]) != longestLine-1 {
		t.Error(len(lines[0]))
	}
}

func TestLastWordsAreWhatATerminalShows(t *testing.T) {
	for line, want := range map[string]string{
		"ValueError: no\r": "ValueError: no",
		" 10%\r 20%":       "20%",
		"  ":               "",
	} {
		if got := lastWords([]byte(line)); got != want {
			t.Errorf("%q: %q", line, got)
		}
	}
	if got := lastWords([]byte(strings.Repeat("x", 9_000))); len(got) != mostLastWords {
		t.Error(len(got))
	}
}
