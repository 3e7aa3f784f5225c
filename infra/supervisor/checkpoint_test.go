package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// storeOfOne holds one object; `put` tells of each version that came.
type storeOfOne struct {
	mu   sync.Mutex
	body []byte
	put  chan string
}

func (s *storeOfOne) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Method == http.MethodPut {
		s.body, _ = io.ReadAll(r.Body)
		s.put <- string(s.body)
	} else if s.body == nil {
		w.WriteHeader(http.StatusNotFound)
	} else {
		_, _ = w.Write(s.body)
	}
}

func newKeeper(t *testing.T, store *storeOfOne) *keeper {
	transfer, address := serve(t, store.ServeHTTP)
	plan := &Checkpoint{Dir: filepath.Join(t.TempDir(), "checkpoints"), Name: "checkpoint", Get: address, Put: address}
	k := &keeper{transfer: transfer, plan: plan, warn: t.Logf}
	if err := k.fetchCheckpoint(context.Background()); err != nil {
		t.Fatal(err)
	}
	return k
}

func (k *keeper) replace(t *testing.T, text string) {
	part := k.file() + ".new"
	if err := os.WriteFile(part, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(part, k.file()); err != nil {
		t.Fatal(err)
	}
}

func TestACheckpointIsKeptWhileTheCommandRuns(t *testing.T) {
	store := &storeOfOne{put: make(chan string, 9)}
	k := newKeeper(t, store)
	k.watch(time.Millisecond)
	for _, text := range []string{"step 1", "step 2"} {
		k.replace(t, text)
		if came := <-store.put; came != text {
			t.Error(came)
		}
	}
	k.last(true)
	if string(store.body) != "step 2" {
		t.Error(string(store.body))
	}
}

func TestTheNextPodFindsTheLastCheckpoint(t *testing.T) {
	store := &storeOfOne{put: make(chan string, 9)}
	first := newKeeper(t, store)
	first.watch(time.Hour)
	first.replace(t, "step 3")
	first.last(true)
	next := newKeeper(t, store)
	if found, err := os.ReadFile(next.file()); string(found) != "step 3" || err != nil {
		t.Error(string(found), err)
	}
	next.watch(time.Hour)
	next.last(true)
	if len(store.put) != 1 {
		t.Error("what was fetched was sent back")
	}
}

func TestNoCheckpointIsKeptOfACommandThatIsDone(t *testing.T) {
	store := &storeOfOne{put: make(chan string, 9)}
	k := newKeeper(t, store)
	k.watch(time.Hour)
	k.replace(t, "the last step")
	k.last(false)
	if store.body != nil {
		t.Error(string(store.body))
	}
}
