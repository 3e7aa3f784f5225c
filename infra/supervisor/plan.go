package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

const planVariable = "GYRE_SUPERVISOR_PLAN"

// Plan is what the runner wants of one job. It holds presigned URLs, so it is never told, not even in errors.
type Plan struct {
	Inputs  []Input  `json:"inputs"`
	Outputs []Output `json:"outputs"`
	// Log slots, create-only, in order; the last one takes whatever remains.
	Log []string `json:"log"`
	// End of the job, create-only, written last.
	End string `json:"end"`
	// Ended, where given, reads End: when it is there already, this Pod has nothing to do.
	Ended        string  `json:"ended"`
	InputDir     string  `json:"inputDir"`
	OutputDir    string  `json:"outputDir"`
	GraceSeconds float64 `json:"graceSeconds"`
	// Checkpoint, where given, outlives this Pod.
	Checkpoint *Checkpoint `json:"checkpoint"`
	// RetrySeconds is how long one transfer is tried again; 120 where left out.
	RetrySeconds float64 `json:"retrySeconds"`
}

type Input struct {
	Name   string `json:"name"`
	URL    string `json:"url"`
	SHA256 string `json:"sha256"`
}

type Output struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

// Checkpoint is a file in $GYRE_CHECKPOINTS. Get answers 404 while there is none.
type Checkpoint struct {
	Dir  string `json:"dir"`
	Name string `json:"name"`
	Get  string `json:"get"`
	Put  string `json:"put"`
}

const defaultRetrySeconds = 120

var digest = regexp.MustCompile(`^[0-9a-f]{64}$`)

func readPlan(file string) (*Plan, error) {
	if file == "" {
		return nil, fmt.Errorf("%s does not name a plan", planVariable)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the plan cannot be read: %w", err)
	}
	var plan Plan
	if err := json.Unmarshal(data, &plan); err != nil {
		return nil, errors.New("the plan is not the JSON that it should be")
	}
	if plan.RetrySeconds == 0 {
		plan.RetrySeconds = defaultRetrySeconds
	}
	return &plan, plan.check()
}

func (p *Plan) check() error {
	if !filepath.IsAbs(p.InputDir) || !filepath.IsAbs(p.OutputDir) {
		return errors.New("the plan's inputDir and outputDir must be absolute")
	}
	if p.GraceSeconds < 0 || p.RetrySeconds < 0 {
		return errors.New("the plan's times must not be negative")
	}
	urls := append([]string{p.End}, p.Log...)
	if p.Ended != "" {
		urls = append(urls, p.Ended)
	}
	for _, input := range p.Inputs {
		if !filepath.IsLocal(input.Name) || !digest.MatchString(input.SHA256) {
			return fmt.Errorf("the plan's input %q needs a name inside the folder and a sha256", input.Name)
		}
		urls = append(urls, input.URL)
	}
	for _, output := range p.Outputs {
		if !filepath.IsLocal(output.Name) {
			return fmt.Errorf("the plan's output %q is not inside the folder", output.Name)
		}
		urls = append(urls, output.URL)
	}
	if c := p.Checkpoint; c != nil {
		if !filepath.IsAbs(c.Dir) || !filepath.IsLocal(c.Name) {
			return fmt.Errorf("the plan's checkpoint %q needs an absolute folder and a name inside it", c.Name)
		}
		urls = append(urls, c.Get, c.Put)
	}
	for _, text := range urls {
		if parsed, err := url.Parse(text); err != nil || parsed.Host == "" || (parsed.Scheme != "http" && parsed.Scheme != "https") {
			return errors.New("the plan has an address that is not an http(s) URL")
		}
	}
	return nil
}

func (p *Plan) grace() time.Duration    { return seconds(p.GraceSeconds) }
func (p *Plan) patience() time.Duration { return seconds(p.RetrySeconds) }

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
