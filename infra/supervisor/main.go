// Supervisor wraps the command of a job's container, in any image: it fetches the inputs, passes signals on, tells and
// keeps the log, keeps the outputs, and says how it ended. It holds URLs of this one job and no credentials.
//
//	supervisor install DIR              copies itself to DIR/supervisor (for an init container)
//	supervisor run -- COMMAND [ARG…]    runs the command by the plan in the file that $GYRE_SUPERVISOR_PLAN names
//
// The README beside this file is the contract: the plan, what is written where, and the exit codes.
package main

import (
	"fmt"
	"os"
	"runtime/debug"
)

const usage = "supervisor install DIR | supervisor run -- COMMAND [ARG…]"

// Exit codes beside those of the command.
const (
	exitUsage       = 64  // called wrongly
	exitData        = 65  // an input is gone, or is not what the plan says
	exitTryAgain    = 75  // the store could not be reached: another Pod may do better
	exitYielded     = 76  // told to stop before the command was started
	exitConfig      = 78  // no usable plan
	exitCannotStart = 127 // as a shell has it
)

func main() {
	// It lives within the memory limit of the command.
	debug.SetGCPercent(50)
	debug.SetMemoryLimit(48 << 20)
	args := os.Args[1:]
	switch {
	case len(args) == 2 && args[0] == "install":
		if err := install(args[1]); err != nil {
			refuse(exitConfig, "it cannot be installed: %v", err)
		}
	case len(args) > 2 && args[0] == "run" && args[1] == "--":
		plan, err := readPlan(os.Getenv(planVariable))
		if err != nil {
			refuse(exitConfig, "%v", err)
		}
		_ = os.Unsetenv(planVariable)
		client, err := newClient()
		if err != nil {
			refuse(exitConfig, "%v", err)
		}
		os.Exit(newJob(plan, client, os.Stdout).run(args[2:]))
	default:
		refuse(exitUsage, "usage: %s", usage)
	}
}

func refuse(code int, format string, args ...any) {
	fmt.Fprintf(os.Stderr, stderrMark+ownMark+format+"\n", args...)
	os.Exit(code)
}
