package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// What may still hold the command's pipes after its process group was killed gets so long to let go of them.
const drainLimit = time.Second

// command is a child in a process group of its own. The supervisor is the first process of its container, so it reaps
// whatever else ends in there: waiting is for any child, which os/exec cannot do.
type command struct {
	pid   int
	ended chan syscall.WaitStatus
	pipes []*os.File
	// Readers of the two streams.
	readers sync.WaitGroup
}

const prSetChildSubreaper = 36

// start runs the command; `out` and `err` read its streams to their ends.
func start(words, env []string, out, err func(io.Reader)) (*command, error) {
	file, lookErr := exec.LookPath(words[0])
	if lookErr != nil && !errors.Is(lookErr, exec.ErrDot) {
		return nil, lookErr
	}
	// Orphans come to us also where the container shares the process IDs of its Pod.
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0)
	null, openErr := os.Open(os.DevNull)
	if openErr != nil {
		return nil, openErr
	}
	defer null.Close()
	outRead, outWrite, pipeErr := os.Pipe()
	if pipeErr != nil {
		return nil, pipeErr
	}
	errRead, errWrite, pipeErr := os.Pipe()
	if pipeErr != nil {
		return nil, pipeErr
	}
	defer outWrite.Close()
	defer errWrite.Close()
	pid, forkErr := syscall.ForkExec(file, words, &syscall.ProcAttr{
		Env:   env,
		Files: []uintptr{null.Fd(), outWrite.Fd(), errWrite.Fd()},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	if forkErr != nil {
		return nil, forkErr
	}
	c := &command{pid: pid, ended: make(chan syscall.WaitStatus, 1), pipes: []*os.File{outRead, errRead}}
	c.readers.Add(2)
	go func() { defer c.readers.Done(); out(outRead) }()
	go func() { defer c.readers.Done(); err(errRead) }()
	go c.reap()
	return c, nil
}

func (c *command) reap() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case pid == c.pid:
			c.ended <- status
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return // no child is left
		}
	}
}

// wait passes signals on to the command alone, as a Pod's signals go to its first process, and kills the whole group
// when the grace time after the first is over. told: a signal was passed on.
func (c *command) wait(signals <-chan os.Signal, grace time.Duration) (status syscall.WaitStatus, told bool) {
	var over <-chan time.Time
	for {
		select {
		case status = <-c.ended:
			return status, told
		case s := <-signals:
			_ = syscall.Kill(c.pid, s.(syscall.Signal))
			if !told {
				told, over = true, time.After(grace)
			}
		case <-over:
			_ = syscall.Kill(-c.pid, syscall.SIGKILL)
		}
	}
}

// drain ends what the command left behind and reads its streams to their ends.
func (c *command) drain() {
	_ = syscall.Kill(-c.pid, syscall.SIGKILL)
	limit := time.AfterFunc(drainLimit, func() {
		for _, pipe := range c.pipes {
			_ = pipe.SetReadDeadline(time.Now())
		}
	})
	defer limit.Stop()
	c.readers.Wait()
	for _, pipe := range c.pipes {
		_ = pipe.Close()
	}
}

var signalNames = map[syscall.Signal]string{
	syscall.SIGHUP: "HUP", syscall.SIGINT: "INT", syscall.SIGQUIT: "QUIT", syscall.SIGILL: "ILL", syscall.SIGTRAP: "TRAP",
	syscall.SIGABRT: "ABRT", syscall.SIGBUS: "BUS", syscall.SIGFPE: "FPE", syscall.SIGKILL: "KILL", syscall.SIGUSR1: "USR1",
	syscall.SIGSEGV: "SEGV", syscall.SIGUSR2: "USR2", syscall.SIGPIPE: "PIPE", syscall.SIGALRM: "ALRM", syscall.SIGTERM: "TERM",
	syscall.SIGXCPU: "XCPU", syscall.SIGXFSZ: "XFSZ", syscall.SIGSYS: "SYS",
}

func signalName(s syscall.Signal) string {
	if name, ok := signalNames[s]; ok {
		return name
	}
	return strconv.Itoa(int(s))
}
