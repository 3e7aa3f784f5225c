package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

const (
	firstPause = 200 * time.Millisecond
	longPause  = 10 * time.Second
	// A transfer that moves no byte for so long is broken off, and tried again.
	stallLimit = 30 * time.Second
)

// transfer moves bytes from and to presigned URLs; what may pass by itself is tried again for a while.
type transfer struct {
	client   *http.Client
	patience time.Duration
	stall    time.Duration
}

// newClient trusts the authorities of this image, and those that were installed beside this program.
func newClient() (*http.Client, error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if self, err := os.Executable(); err == nil {
		if more, err := os.ReadFile(filepath.Join(filepath.Dir(self), authoritiesFile)); err == nil {
			roots.AppendCertsFromPEM(more)
		}
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSClientConfig:       &tls.Config{RootCAs: roots},
			TLSHandshakeTimeout:   10 * time.Second,
			ResponseHeaderTimeout: 60 * time.Second,
			IdleConnTimeout:       30 * time.Second,
			DisableCompression:    true,
			ForceAttemptHTTP2:     true,
		},
		// A presigned URL is valid for its own host only.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// answerError is an answer that is not the one wanted.
type answerError struct {
	status int
	// The store's own word: NoSuchKey, SignatureDoesNotMatch, …
	code string
	// How long the store wants to be left alone.
	after time.Duration
	where string
}

func (e *answerError) Error() string {
	text := fmt.Sprintf("the store answered %d", e.status)
	if e.code != "" {
		text += " " + e.code
	} else if word := http.StatusText(e.status); word != "" {
		text += " " + word
	}
	return text + " for " + e.where
}

func (e *answerError) transient() bool {
	switch e.status {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests:
		return true // 409: somebody writes that very key at this moment
	case http.StatusBadRequest:
		return e.code == "RequestTimeout"
	}
	return e.status >= 500
}

func statusOf(err error) int {
	var answer *answerError
	if errors.As(err, &answer) {
		return answer.status
	}
	return 0
}

// permanent marks an error that trying again cannot mend.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// get hands the body to `use`, which starts anew with each attempt.
func (t *transfer) get(ctx context.Context, address string, use func(io.Reader) error) error {
	return t.retry(ctx, func(ctx context.Context) error {
		return t.exchange(ctx, http.MethodGet, address, nil, 0, false, use)
	})
}

// put sends what `open` gives, anew with each attempt. createOnly: status 412 where something is there already.
func (t *transfer) put(ctx context.Context, address string, createOnly bool, open func() (io.Reader, int64, error)) error {
	return t.retry(ctx, func(ctx context.Context) error {
		body, size, err := open()
		if err != nil {
			return permanent{err}
		}
		return t.exchange(ctx, http.MethodPut, address, body, size, createOnly, nil)
	})
}

func (t *transfer) exchange(ctx context.Context, method, address string, body io.Reader, size int64, createOnly bool, use func(io.Reader) error) error {
	ctx, watch := watchProgress(ctx, t.stall)
	defer watch.stop()
	var sent io.Reader = http.NoBody // an empty body that is not NoBody would be sent in chunks, which S3 refuses
	if size > 0 {
		sent = watch.reader(body)
	}
	request, err := http.NewRequestWithContext(ctx, method, address, sent)
	if err != nil {
		return permanent{quiet(err, address)}
	}
	request.ContentLength = size
	if createOnly {
		request.Header.Set("If-None-Match", "*")
	}
	answer, err := t.client.Do(request)
	if err != nil {
		return quiet(stalled(ctx, err), address)
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		return answered(answer, address)
	}
	if use == nil {
		_, err = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10))
	} else {
		err = use(watch.reader(answer.Body))
	}
	return quiet(stalled(ctx, err), address)
}

// stalled names the true cause of an error that came from breaking off a transfer.
func stalled(ctx context.Context, err error) error {
	if err != nil && context.Cause(ctx) == errStalled {
		return errStalled
	}
	return err
}

var codeInBody = regexp.MustCompile(`<Code>(\w{1,64})</Code>`)

func answered(answer *http.Response, address string) error {
	body, _ := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
	e := &answerError{status: answer.StatusCode, where: withoutQuery(address)}
	if found := codeInBody.FindSubmatch(body); found != nil {
		e.code = string(found[1])
	}
	if wait, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil && wait >= 0 {
		e.after = min(time.Duration(wait)*time.Second, longPause)
	}
	return e
}

// retry repeats an attempt with growing, jittered pauses until it succeeds, cannot succeed, or patience is at its end.
func (t *transfer) retry(ctx context.Context, attempt func(context.Context) error) error {
	deadline := time.Now().Add(t.patience)
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		err := attempt(ctx)
		var final permanent
		var answer *answerError
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &final):
			return final.error
		case errors.As(err, &answer) && !answer.transient():
			return err
		}
		wait := pause/2 + rand.N(pause)
		if answer != nil {
			wait = max(wait, answer.after)
		}
		if time.Now().Add(wait).After(deadline) {
			return fmt.Errorf("%w; tried for %v", err, t.patience)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// quiet takes the address, whose query is a secret, out of an error of net/http or net/url.
func quiet(err error, address string) error {
	var whole *url.Error
	if errors.As(err, &whole) {
		err = whole.Err
	}
	if err == nil || statusOf(err) != 0 {
		return err
	}
	return fmt.Errorf("%s: %w", withoutQuery(address), err)
}

func withoutQuery(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return "an unreadable address"
	}
	return parsed.Host + parsed.EscapedPath()
}

// progress ends a transfer that stands still; a slow one may take as long as it needs.
type progress struct {
	limit  time.Duration
	timer  *time.Timer
	cancel context.CancelCauseFunc
}

var errStalled = errors.New("the transfer stood still")

func watchProgress(parent context.Context, limit time.Duration) (context.Context, *progress) {
	ctx, cancel := context.WithCancelCause(parent)
	// Connecting and the store's own thinking have limits of their own, in the client.
	timer := time.AfterFunc(limit+60*time.Second, func() { cancel(errStalled) })
	return ctx, &progress{limit, timer, cancel}
}

func (p *progress) stop() {
	p.timer.Stop()
	p.cancel(nil)
}

func (p *progress) reader(from io.Reader) io.Reader { return &watched{from, p} }

type watched struct {
	io.Reader
	progress *progress
}

func (w *watched) Read(into []byte) (int, error) {
	n, err := w.Reader.Read(into)
	if err == nil {
		w.progress.timer.Reset(w.progress.limit)
	} else {
		w.progress.timer.Reset(w.progress.limit + 60*time.Second) // sent whole: the answer is awaited
	}
	return n, err
}
