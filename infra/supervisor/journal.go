package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	firstInterval = 2 * time.Second
	usualInterval = 60 * time.Second
	usualPart     = 1 << 20
	// What is kept while the store does not take parts, and of what comes after the last slot but one.
	mostPending = 4 << 20
)

// journal keeps every line, as gzip'ed JSON lines in create-only slots. Earlier Pods of the same job may have taken
// slots: the next free one is used. A part is `{"pod","part"}` and then lines `{"t","s","l"}`; `part` counts this Pod's
// parts from 0, so that a part written twice (its answer was lost) is known by pod and part.
type journal struct {
	transfer *transfer
	slots    []string
	pod      string
	// Tells a person; what it says does not come back as a line.
	warn func(format string, args ...any)

	mu      sync.Mutex
	pending [][]byte
	size    int
	// When the oldest pending line came.
	since time.Time
	// Pending lines that gave way to newer ones.
	leftOut int

	wake chan struct{}
	stop chan struct{}
	done chan struct{}
	// Used by the goroutine alone.
	slot, part int
}

type logLine struct {
	Time   string `json:"t"`
	Stream string `json:"s"`
	Text   string `json:"l"`
}

func openJournal(t *transfer, slots []string, pod string, warn func(string, ...any)) *journal {
	j := &journal{
		transfer: t, slots: slots, pod: pod, warn: warn,
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	go j.run()
	return j
}

func (j *journal) add(stream string, text []byte) {
	now := time.Now().UTC()
	line := encode(logLine{now.Format(time.RFC3339Nano), stream, string(text)})
	j.mu.Lock()
	if len(j.pending) == 0 {
		j.since = now
	}
	j.pending = append(j.pending, line)
	j.size += len(line)
	j.trim()
	j.mu.Unlock()
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

func (j *journal) trim() {
	for j.size > mostPending && len(j.pending) > 1 {
		j.size -= len(j.pending[0])
		j.pending = j.pending[1:]
		j.leftOut++
	}
}

// close writes what is pending and ends.
func (j *journal) close() {
	close(j.stop)
	<-j.done
}

func (j *journal) run() {
	defer close(j.done)
	for {
		var timer <-chan time.Time
		if wait, any := j.untilDue(); any {
			timer = time.After(wait)
		}
		select {
		case <-timer:
			j.write(false)
		case <-j.wake:
		case <-j.stop:
			j.write(true)
			return
		}
	}
}

// pace is how long lines wait, and how large a part becomes, in the slot with that index. The first half of the slots
// serve who watches; the second half grow by a quarter each, so that 64 slots last for days.
func pace(slot, slots int) (time.Duration, int) {
	interval := usualInterval
	if slot < 5 {
		interval = firstInterval << slot
	}
	part := usualPart
	for i := slots / 2; i < slot; i++ {
		interval += interval / 4
		part = min(part+part/4, mostPending)
	}
	return interval, part
}

func (j *journal) untilDue() (time.Duration, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.pending) == 0 || j.slot >= len(j.slots)-1 {
		return 0, false
	}
	interval, part := pace(j.slot, len(j.slots))
	if j.size >= part {
		return 0, true
	}
	return time.Until(j.since.Add(interval)), true
}

// write puts the pending lines into the next free slot; the last slot waits for the end.
func (j *journal) write(atEnd bool) {
	lines, leftOut := j.take()
	if len(lines) == 0 || len(j.slots) == 0 {
		return
	}
	body := j.pack(lines, leftOut)
	for ; j.slot < len(j.slots); j.slot++ {
		if j.slot == len(j.slots)-1 && !atEnd {
			j.giveBack(lines, leftOut)
			return
		}
		err := j.transfer.put(context.Background(), j.slots[j.slot], true, func() (io.Reader, int64, error) {
			return bytes.NewReader(body), int64(len(body)), nil
		})
		switch {
		case err == nil:
			j.slot++
			j.part++
			return
		case statusOf(err) == http.StatusPreconditionFailed:
		default:
			j.warn("%d lines of the log could not be kept: %v", len(lines), err)
			return
		}
	}
	j.warn("%d lines of the log could not be kept: every slot is taken", len(lines))
}

func (j *journal) take() (lines [][]byte, leftOut int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	lines, leftOut = j.pending, j.leftOut
	j.pending, j.size, j.leftOut = nil, 0, 0
	return lines, leftOut
}

func (j *journal) giveBack(lines [][]byte, leftOut int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.pending = append(lines, j.pending...)
	for _, line := range lines {
		j.size += len(line)
	}
	j.leftOut += leftOut
	j.trim()
}

func (j *journal) pack(lines [][]byte, leftOut int) []byte {
	var body bytes.Buffer
	packer := gzip.NewWriter(&body)
	_, _ = packer.Write(encode(map[string]any{"pod": j.pod, "part": j.part}))
	if leftOut > 0 {
		var first logLine
		_ = json.Unmarshal(lines[0], &first)
		note := fmt.Sprintf("%s%d lines before this one are left out of the log: more was written than is kept", ownMark, leftOut)
		_, _ = packer.Write(encode(logLine{first.Time, "err", note}))
	}
	for _, line := range lines {
		_, _ = packer.Write(line)
	}
	_ = packer.Close()
	return body.Bytes()
}

// encode gives one line of JSON; bytes that are not UTF-8 become U+FFFD.
func encode(value any) []byte {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value)
	return text.Bytes()
}
