package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// Before each line of standard error, in the Pod's log.
	stderrMark = "stderr| "
	// Before what the supervisor itself has to say, which goes the way of standard error.
	ownMark = "supervisor: "
	// The most of the last line of standard error that the end tells.
	mostLastWords = 2_000
)

// End is what `end.json` says.
type End struct {
	Version   int             `json:"v"`
	ExitCode  *int            `json:"exitCode"`
	Signal    *string         `json:"signal"`
	StartedAt string          `json:"startedAt"`
	EndedAt   string          `json:"endedAt"`
	OOM       bool            `json:"oom"`
	LastWords string          `json:"lastWords"`
	Lines     lineCount       `json:"lines"`
	Outputs   map[string]kept `json:"outputs"`
	Pod       string          `json:"pod"`
}

type lineCount struct {
	Out int `json:"out"`
	Err int `json:"err"`
}

type kept struct {
	SHA256    string `json:"sha256"`
	SizeBytes int64  `json:"sizeBytes"`
}

// exitStatus is what a shell would give.
func (e *End) exitStatus() int {
	if e.ExitCode != nil {
		return *e.ExitCode
	}
	for number, name := range signalNames {
		if e.Signal != nil && *e.Signal == name {
			return 128 + int(number)
		}
	}
	return 1
}

// job is one command under one plan.
type job struct {
	plan     *Plan
	transfer *transfer
	journal  *journal
	// nil where the plan has no checkpoint.
	keeper *keeper
	pod    string

	mu sync.Mutex
	// The Pod's log: one stream, so that the lines of both keep their order.
	told      io.Writer
	lines     lineCount
	lastWords string
}

func newJob(plan *Plan, client *http.Client, told io.Writer) *job {
	pod, _ := os.Hostname()
	if name := os.Getenv("HOSTNAME"); name != "" {
		pod = name
	}
	j := &job{plan: plan, transfer: &transfer{client, plan.patience(), stallLimit}, pod: pod, told: told}
	j.journal = openJournal(j.transfer, plan.Log, pod, j.warn)
	if plan.Checkpoint != nil {
		j.keeper = &keeper{transfer: j.transfer, plan: plan.Checkpoint, warn: j.warn}
	}
	return j
}

// run does it all and gives the exit code.
func (j *job) run(words []string) int {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	started := time.Now()
	switch code, over := j.prepare(signals); {
	case !over:
	case code == exitData || code == exitConfig:
		return j.finish(End{ExitCode: &code}, started, code)
	default:
		j.journal.close()
		return code
	}
	kills := killsForMemory(cgroupRoot)
	started = time.Now()
	command, err := start(words, j.environment(), j.listen("out"), j.listen("err"))
	if err != nil {
		j.say("cannot start %s: %v", words[0], err)
		code := exitCannotStart
		return j.finish(End{ExitCode: &code}, started, code)
	}
	if j.keeper != nil {
		j.keeper.watch(checkpointInterval)
	}
	status, told := command.wait(signals, j.plan.grace())
	command.drain()
	if j.keeper != nil {
		j.keeper.last(status.ExitStatus() != 0)
	}

	end := End{OOM: killsForMemory(cgroupRoot) > kills}
	code := status.ExitStatus()
	if status.Signaled() {
		name := signalName(status.Signal())
		code = 128 + int(status.Signal())
		end.Signal = &name
	} else {
		end.ExitCode = &code
	}
	if asksForAnotherPod(code, told, end.OOM) {
		if end.OOM && code == 137 {
			j.say("the command was killed: it reached the memory limit of its container")
		}
		j.journal.close()
		return code
	}
	return j.finish(end, started, code)
}

// asksForAnotherPod tells ends that are no end of the job: it asked to be tried again, had to yield, or needs more memory.
// A shell gives 128+n where its own child was ended by a signal.
func asksForAnotherPod(code int, told, oom bool) bool {
	switch code {
	case exitTryAgain, exitYielded:
		return true
	case 128 + int(syscall.SIGTERM), 128 + int(syscall.SIGINT):
		return told
	case 128 + int(syscall.SIGKILL):
		return told || oom
	}
	return false
}

// prepare makes the folders and brings the inputs, unless the job is over before it began: a signal came, something
// cannot be had, or an earlier Pod had written the end when it was lost.
func (j *job) prepare(signals <-chan os.Signal) (code int, over bool) {
	for _, dir := range []string{j.plan.InputDir, j.plan.OutputDir} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			j.say("%v", err)
			return exitConfig, true
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ready := make(chan struct{})
	go func() {
		defer close(ready)
		if code, over = j.endedBefore(ctx); !over {
			code = j.fetchInputs(ctx)
			over = code != 0
		}
		if !over && j.keeper != nil {
			code, over = j.fetchCheckpoint(ctx)
		}
	}()
	select {
	case <-ready:
	case <-signals:
		cancel()
		<-ready
		j.say("told to stop before the command was started")
		return exitYielded, true
	}
	return code, over
}

func (j *job) endedBefore(ctx context.Context) (code int, over bool) {
	if j.plan.Ended == "" {
		return 0, false
	}
	var end End
	err := j.transfer.get(ctx, j.plan.Ended, func(body io.Reader) error { return json.NewDecoder(body).Decode(&end) })
	switch status := statusOf(err); {
	case status == http.StatusNotFound || status == http.StatusForbidden: // 403 where the URL may not list: not there yet
		return 0, false
	case err != nil:
		j.warn("the store cannot be reached: %v", err)
		return exitTryAgain, true
	}
	code = end.exitStatus()
	j.warn("an earlier Pod has ended this job already, with %d", code)
	return code, true
}

func (j *job) fetchInputs(ctx context.Context) int {
	for _, input := range j.plan.Inputs {
		err := j.fetch(ctx, input)
		var wrong permanent
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return exitYielded
		case statusOf(err) == http.StatusNotFound || errors.As(err, &wrong):
			j.say("the input %s cannot be had: %v", input.Name, err)
			return exitData
		default:
			j.say("the input %s could not be fetched: %v", input.Name, err)
			return exitTryAgain
		}
	}
	return 0
}

func (j *job) fetchCheckpoint(ctx context.Context) (code int, over bool) {
	err := j.keeper.fetchCheckpoint(ctx)
	switch {
	case err == nil:
		return 0, false
	case ctx.Err() != nil:
		return exitYielded, true
	}
	j.say("the checkpoint could not be fetched: %v", err)
	return exitTryAgain, true
}

// fetch brings one input. Bytes that are not what they should be are fetched once more, then given up.
func (j *job) fetch(ctx context.Context, input Input) error {
	target := filepath.Join(j.plan.InputDir, input.Name)
	if err := os.MkdirAll(filepath.Dir(target), 0o777); err != nil {
		return err
	}
	for attempt := 0; ; attempt++ {
		sum := sha256.New()
		err := j.transfer.get(ctx, input.URL, func(body io.Reader) error {
			sum.Reset()
			file, err := os.Create(target)
			if err != nil {
				return permanent{err}
			}
			_, err = io.Copy(io.MultiWriter(file, sum), body)
			if closed := file.Close(); err == nil {
				err = closed
			}
			var local *fs.PathError
			if errors.As(err, &local) {
				return permanent{err} // a full disk, say
			}
			return err
		})
		if err != nil {
			return err
		}
		is := hex.EncodeToString(sum.Sum(nil))
		if is == input.SHA256 {
			return nil
		}
		if attempt == 1 {
			return permanent{fmt.Errorf("its sha256 is %s and should be %s", is, input.SHA256)}
		}
	}
}

func (j *job) environment() []string {
	env := make([]string, 0, len(os.Environ())+3)
	for _, item := range os.Environ() {
		if name, _, _ := strings.Cut(item, "="); name != "GYRE_INPUT" && name != "GYRE_OUTPUT" && name != "GYRE_CHECKPOINTS" {
			env = append(env, item)
		}
	}
	if j.keeper != nil {
		env = append(env, "GYRE_CHECKPOINTS="+j.plan.Checkpoint.Dir)
	}
	return append(env, "GYRE_INPUT="+j.plan.InputDir, "GYRE_OUTPUT="+j.plan.OutputDir)
}

// listen tells and keeps one stream of the command.
func (j *job) listen(stream string) func(io.Reader) {
	return func(from io.Reader) {
		var tell bytes.Buffer
		readLines(from, func(line []byte) {
			if stream == "err" {
				tell.WriteString(stderrMark)
			}
			tell.Write(line)
			tell.WriteByte('\n')
			j.keep(stream, line)
		}, func() {
			j.tell(tell.Bytes())
			tell.Reset()
		})
	}
}

func (j *job) keep(stream string, line []byte) {
	j.journal.add(stream, line)
	j.mu.Lock()
	defer j.mu.Unlock()
	if stream == "out" {
		j.lines.Out++
		return
	}
	j.lines.Err++
	if words := lastWords(line); words != "" {
		j.lastWords = words
	}
}

// lastWords is what a terminal would show of a line: after a carriage return it is written anew.
func lastWords(line []byte) string {
	line = bytes.TrimRight(line, " \t\r")
	line = bytes.TrimSpace(line[bytes.LastIndexByte(line, '\r')+1:])
	if len(line) > mostLastWords {
		line = line[:pieceOf(line, mostLastWords)]
	}
	return strings.ToValidUTF8(string(line), "\uFFFD")
}

func (j *job) tell(text []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	_, _ = j.told.Write(text)
}

// say tells and keeps a sentence of the supervisor's own.
func (j *job) say(format string, args ...any) {
	text := ownMark + fmt.Sprintf(format, args...)
	j.tell([]byte(stderrMark + text + "\n"))
	j.keep("err", []byte(text))
}

// warn tells a sentence about keeping, which therefore cannot be kept.
func (j *job) warn(format string, args ...any) {
	j.tell([]byte(stderrMark + ownMark + fmt.Sprintf(format, args...) + "\n"))
}

// finish keeps log and outputs, then says how it ended. code: the exit code when all of it could be kept.
func (j *job) finish(end End, started time.Time, code int) int {
	end.Version, end.Pod = 1, j.pod
	end.StartedAt = started.UTC().Format(time.RFC3339Nano)
	end.EndedAt = time.Now().UTC().Format(time.RFC3339Nano)
	j.journal.close()
	end.Outputs = map[string]kept{}
	for _, output := range j.plan.Outputs {
		file, err := j.keepOutput(output)
		if err != nil {
			j.warn("the output %s could not be kept: %v", output.Name, err)
			return exitTryAgain
		}
		if file != nil {
			end.Outputs[output.Name] = *file
		}
	}
	j.mu.Lock()
	end.Lines, end.LastWords = j.lines, j.lastWords
	j.mu.Unlock()
	text := encode(end)
	err := j.transfer.put(context.Background(), j.plan.End, true, func() (io.Reader, int64, error) {
		return bytes.NewReader(text), int64(len(text)), nil
	})
	// 412: an attempt of ours arrived although its answer was lost.
	if err != nil && statusOf(err) != http.StatusPreconditionFailed {
		j.warn("the command ended with %d, but its end could not be written: %v", code, err)
		return exitTryAgain
	}
	return code
}

// keepOutput sends one file; nil when the command left none of that name. Links out of the folder are not followed.
func (j *job) keepOutput(output Output) (*kept, error) {
	root, err := os.OpenRoot(j.plan.OutputDir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	file, err := root.Open(output.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	about, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !about.Mode().IsRegular() {
		return nil, errors.New("it is not a file")
	}
	var sum hash.Hash
	err = j.transfer.put(context.Background(), output.URL, false, func() (io.Reader, int64, error) {
		sum = sha256.New() // and a reader of its own: the attempt before may still hold its one for a moment
		return io.TeeReader(io.NewSectionReader(file, 0, about.Size()), sum), about.Size(), nil
	})
	if err != nil {
		return nil, err
	}
	return &kept{hex.EncodeToString(sum.Sum(nil)), about.Size()}, nil
}
