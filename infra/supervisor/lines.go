package main

import (
	"bytes"
	"io"
	"unicode/utf8"
)

// Longer lines are told and kept in pieces.
const longestLine = 1 << 20

// readLines gives every line, without its line feed, also a last one that has none, and calls burst after each piece that
// was read. A line is valid only during the call.
func readLines(from io.Reader, line func([]byte), burst func()) {
	chunk := make([]byte, 64<<10)
	var rest []byte
	for {
		n, err := from.Read(chunk)
		data := chunk[:n]
		for {
			at := bytes.IndexByte(data, '\n')
			if at < 0 {
				break
			}
			if len(rest) == 0 {
				line(data[:at])
			} else {
				line(append(rest, data[:at]...))
				rest = rest[:0]
			}
			data = data[at+1:]
		}
		rest = append(rest, data...)
		for len(rest) > longestLine {
			cut := pieceOf(rest, longestLine)
			line(rest[:cut])
			rest = append(rest[:0], rest[cut:]...)
		}
		if err != nil {
			if len(rest) > 0 {
				line(rest)
			}
			burst()
			return
		}
		burst()
	}
}

// pieceOf is where to cut, at most `limit`, so that no character is cut in two.
func pieceOf(data []byte, limit int) int {
	for cut := limit; cut > limit-utf8.UTFMax; cut-- {
		if utf8.RuneStart(data[cut]) {
			return cut
		}
	}
	return limit // not UTF-8 at all
}
