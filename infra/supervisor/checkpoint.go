package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// How often the checkpoint is looked at while the command runs.
const checkpointInterval = 5 * time.Second

// keeper keeps the checkpoint of the command: a Pod that takes this one's place goes on from it. The command replaces the
// file whole, so whatever version is open is whole, too.
type keeper struct {
	transfer *transfer
	plan     *Checkpoint
	warn     func(format string, args ...any)
	// The version that the store has; nil while there is none.
	sent os.FileInfo
	stop context.CancelFunc
	done chan struct{}
}

// fetchCheckpoint brings what an earlier Pod left; that there is none is no error.
func (k *keeper) fetchCheckpoint(ctx context.Context) error {
	if err := os.MkdirAll(k.plan.Dir, 0o777); err != nil {
		return err
	}
	part := k.file() + ".part"
	err := k.transfer.get(ctx, k.plan.Get, func(body io.Reader) error {
		file, err := os.Create(part)
		if err != nil {
			return permanent{err}
		}
		_, err = io.Copy(file, body)
		if closed := file.Close(); err == nil {
			err = closed
		}
		return err
	})
	switch status := statusOf(err); {
	case status == http.StatusNotFound || status == http.StatusForbidden: // 403 where the URL may not list
		return nil
	case err != nil:
		return err
	}
	if err := os.Rename(part, k.file()); err != nil {
		return err
	}
	k.sent, err = os.Stat(k.file())
	return err
}

// watch sends each new version until `last` ends it.
func (k *keeper) watch(interval time.Duration) {
	ctx, stop := context.WithCancel(context.Background())
	k.stop, k.done = stop, make(chan struct{})
	go func() {
		defer close(k.done)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				k.send(ctx)
			}
		}
	}()
}

// last ends the watch and sends what the command left, if somebody may go on from it.
func (k *keeper) last(wanted bool) {
	k.stop()
	<-k.done
	if wanted {
		k.send(context.Background())
	}
}

// send keeps the newest version. What cannot be kept now is tried again with the next look: the command need not know.
func (k *keeper) send(ctx context.Context) {
	file, err := os.Open(k.file())
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		k.warn("the checkpoint cannot be read: %v", err)
		return
	}
	defer file.Close()
	about, err := file.Stat()
	if err != nil || !about.Mode().IsRegular() || k.has(about) {
		return
	}
	err = k.transfer.put(ctx, k.plan.Put, false, func() (io.Reader, int64, error) {
		return io.NewSectionReader(file, 0, about.Size()), about.Size(), nil
	})
	if err == nil {
		k.sent = about
	} else if ctx.Err() == nil {
		k.warn("the checkpoint could not be kept: %v", err)
	}
}

func (k *keeper) has(about os.FileInfo) bool {
	return k.sent != nil && os.SameFile(k.sent, about) && k.sent.ModTime().Equal(about.ModTime()) && k.sent.Size() == about.Size()
}

func (k *keeper) file() string { return filepath.Join(k.plan.Dir, k.plan.Name) }
