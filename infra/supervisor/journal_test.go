package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// slotServer keeps what is PUT create-only.
type slotServer struct {
	*httptest.Server
	mu   sync.Mutex
	kept map[string][]byte
	// Answers 500 so often before it keeps anything.
	failures int
}

func newSlotServer(t *testing.T, taken ...string) *slotServer {
	s := &slotServer{kept: map[string][]byte{}}
	for _, path := range taken {
		s.kept[path] = nil
	}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		_, there := s.kept[r.URL.Path]
		switch {
		case s.failures > 0:
			s.failures--
			w.WriteHeader(500)
		case there && r.Header.Get("If-None-Match") == "*":
			w.WriteHeader(http.StatusPreconditionFailed)
		default:
			s.kept[r.URL.Path] = body
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *slotServer) slots(n int) []string {
	slots := make([]string, n)
	for i := range slots {
		slots[i] = fmt.Sprintf("%s/%d?secret", s.URL, i)
	}
	return slots
}

func (s *slotServer) transfer() *transfer { return &transfer{s.Client(), time.Second, time.Second} }

// part gives the head and the texts of the lines of one slot.
func (s *slotServer) part(t *testing.T, path string) (head string, texts []string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	packed, there := s.kept[path]
	if !there {
		t.Fatalf("nothing in %s", path)
	}
	plain, err := gzip.NewReader(strings.NewReader(string(packed)))
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(plain)
	lines.Buffer(nil, 8<<20)
	lines.Scan()
	head = lines.Text()
	for lines.Scan() {
		var line logLine
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		texts = append(texts, line.Text)
	}
	return head, texts
}

func TestAPartTakesTheNextFreeSlot(t *testing.T) {
	server := newSlotServer(t, "/0", "/1")
	j := openJournal(server.transfer(), server.slots(4), "pod-b", t.Errorf)
	j.add("out", []byte("one"))
	j.add("err", []byte("two"))
	j.close()
	head, texts := server.part(t, "/2")
	if head != `{"part":0,"pod":"pod-b"}` || fmt.Sprint(texts) != "[one two]" {
		t.Errorf("%s %v", head, texts)
	}
}

func TestAPartIsTriedAgain(t *testing.T) {
	server := newSlotServer(t)
	server.failures = 2
	j := openJournal(server.transfer(), server.slots(2), "pod", t.Errorf)
	j.add("out", []byte("one"))
	j.close()
	if _, texts := server.part(t, "/0"); fmt.Sprint(texts) != "[one]" {
		t.Error(texts)
	}
}

func TestALargePartIsWrittenWithoutWaitingForItsTime(t *testing.T) {
	server := newSlotServer(t)
	j := openJournal(server.transfer(), server.slots(2), "pod", t.Errorf)
	defer j.close()
	j.add("out", []byte(strings.Repeat("x", usualPart)))
	for began := time.Now(); time.Since(began) < firstInterval-500*time.Millisecond; time.Sleep(time.Millisecond) {
		server.mu.Lock()
		_, there := server.kept["/0"]
		server.mu.Unlock()
		if there {
			return
		}
	}
	t.Error("it waited")
}

func TestTheLastSlotKeepsTheNewestAndSaysHowManyItLeftOut(t *testing.T) {
	server := newSlotServer(t)
	j := openJournal(server.transfer(), server.slots(1), "pod", t.Errorf)
	megabyte := strings.Repeat("x", 1<<20-100)
	for i := range 6 {
		j.add("out", []byte(fmt.Sprint(i, megabyte)))
	}
	j.close()
	_, texts := server.part(t, "/0")
	if len(texts) != 5 || !strings.HasPrefix(texts[0], "supervisor: 2 lines before this one are left out") || texts[1][0] != '2' {
		t.Errorf("%d lines, the first %.80s", len(texts), texts[0])
	}
}

func TestALogWithoutAFreeSlotIsGivenUpWithAWarning(t *testing.T) {
	server := newSlotServer(t, "/0", "/1")
	var warning string
	j := openJournal(server.transfer(), server.slots(2), "pod", func(format string, args ...any) { warning = fmt.Sprintf(format, args...) })
	j.add("out", []byte("one"))
	j.close()
	if warning != "1 lines of the log could not be kept: every slot is taken" {
		t.Error(warning)
	}
}

func TestSixtyFourSlotsLastForDays(t *testing.T) {
	if first, size := pace(0, 64); first != 2*time.Second || size != 1<<20 {
		t.Error(first, size)
	}
	if minute, size := pace(31, 64); minute != time.Minute || size != 1<<20 {
		t.Error(minute, size)
	}
	var all time.Duration
	for slot := range 63 {
		interval, _ := pace(slot, 64)
		all += interval
	}
	if all < 48*time.Hour {
		t.Error(all)
	}
	if _, size := pace(62, 64); size != mostPending {
		t.Error(size)
	}
}

func TestBytesThatAreNotTextStayJSON(t *testing.T) {
	if got := string(encode(logLine{"t", "out", "a\xff<\x01"})); got != "{\"t\":\"t\",\"s\":\"out\",\"l\":\"a\\ufffd<\\u0001\"}\n" {
		t.Error(got)
	}
}
