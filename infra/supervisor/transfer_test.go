package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func serve(t *testing.T, handler http.HandlerFunc) (*transfer, string) {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return &transfer{server.Client(), time.Second, time.Second}, server.URL + "/bucket/key?X-Amz-Signature=secret"
}

func get(t *transfer, address string) (string, error) {
	var got string
	err := t.get(context.Background(), address, func(body io.Reader) error {
		data, err := io.ReadAll(body)
		got = string(data)
		return err
	})
	return got, err
}

func TestWhatMayPassIsTriedAgain(t *testing.T) {
	tries := 0
	transfer, address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		tries++
		switch tries {
		case 1:
			w.WriteHeader(503)
		case 2:
			hijacked, _, _ := w.(http.Hijacker).Hijack()
			hijacked.Close()
		case 3:
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "half") // and the connection breaks
		default:
			_, _ = io.WriteString(w, "whole text")
		}
	})
	transfer.patience = 10 * time.Second
	if got, err := get(transfer, address); got != "whole text" || err != nil || tries != 4 {
		t.Error(got, err, tries)
	}
}

func TestARefusalIsTriedOnceAndToldWithoutItsSecret(t *testing.T) {
	tries := 0
	transfer, address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		tries++
		w.WriteHeader(403)
		_, _ = io.WriteString(w, "<Error><Code>SignatureDoesNotMatch</Code></Error>")
	})
	_, err := get(transfer, address)
	if tries != 1 || statusOf(err) != 403 || !strings.Contains(err.Error(), "403 SignatureDoesNotMatch for 127.0.0.1:") || strings.Contains(err.Error(), "secret") {
		t.Error(tries, err)
	}
}

func TestAnUnreachableStoreIsToldWithoutItsSecret(t *testing.T) {
	transfer := &transfer{http.DefaultClient, 300 * time.Millisecond, time.Second}
	_, err := get(transfer, "http://127.0.0.1:1/key?X-Amz-Signature=secret")
	if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "127.0.0.1:1/key") || !strings.Contains(err.Error(), "tried for 300ms") {
		t.Error(err)
	}
}

func TestAnEmptyBodyHasALength(t *testing.T) {
	length := int64(-2)
	transfer, address := serve(t, func(_ http.ResponseWriter, r *http.Request) { length = r.ContentLength })
	err := transfer.put(context.Background(), address, false, func() (io.Reader, int64, error) { return strings.NewReader(""), 0, nil })
	if err != nil || length != 0 {
		t.Error(err, length)
	}
}

func TestATransferThatStandsStillIsBrokenOff(t *testing.T) {
	release := make(chan struct{})
	transfer, address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "some")
		w.(http.Flusher).Flush()
		<-release
	})
	t.Cleanup(func() { close(release) })
	transfer.patience, transfer.stall = 0, 50*time.Millisecond
	if _, err := get(transfer, address); !errors.Is(err, errStalled) {
		t.Error(err)
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	client, err := newClient()
	if err != nil {
		t.Fatal(err)
	}
	moved, address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
		w.WriteHeader(307)
	})
	moved.client = client
	if _, err := get(moved, address); statusOf(err) != 307 {
		t.Error(err)
	}
}
