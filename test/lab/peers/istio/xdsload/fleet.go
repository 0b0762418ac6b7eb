package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

const changeTimeout = 60 * time.Second

// fleet is all streams of a run.
type fleet struct {
	address   string
	namespace string
	// namespaces is how many namespaces the workloads are in; 0 stands for the one of the Services.
	namespaces int
	classes    int
	delta      bool
	streams    []*stream

	endpointNames *sharedNames
	routeNames    *sharedNames
}

type traffic struct{ bytes, messages, reconnects int64 }

func newFleet(address, namespace string, namespaces, count, classes int, delta bool) *fleet {
	f := &fleet{address: address, namespace: namespace, namespaces: namespaces, classes: classes, delta: delta,
		endpointNames: newSharedNames(), routeNames: newSharedNames()}
	for i := range count {
		f.streams = append(f.streams, &stream{fleet: f, index: i})
	}
	return f
}

func (f *fleet) open() {
	for _, s := range f.streams {
		go s.keepOpen()
	}
}

func (f *fleet) count(is func(*stream) bool) (n int) {
	for _, s := range f.streams {
		if is(s) {
			n++
		}
	}
	return
}

// await polls until all streams are so; it returns how many are not.
func (f *fleet) await(is func(*stream) bool, interval, timeout time.Duration) int {
	for deadline := time.Now().Add(timeout); ; time.Sleep(interval) {
		left := len(f.streams) - f.count(is)
		if left == 0 || time.Now().After(deadline) {
			return left
		}
	}
}

func (f *fleet) awaitSync(timeout time.Duration) error {
	if left := f.await(func(s *stream) bool { return s.ready.Load() }, 5*time.Millisecond, timeout); left > 0 {
		return fmt.Errorf("%d of %d streams are not synced; last error: %v", left, len(f.streams), lastError.Load())
	}
	return nil
}

// subscribedTo fails where the streams were opened before the server knew a Service: its endpoints would never reach them.
func (f *fleet) subscribedTo(service string) error {
	for _, name := range f.endpointNames.names {
		if strings.Contains(name, "|"+service+".") {
			return nil
		}
	}
	return fmt.Errorf("the server did not serve %s yet when the streams were opened; make the Services earlier", service)
}

func (f *fleet) received() (t traffic) {
	for _, s := range f.streams {
		t.bytes += s.bytes.Load()
		t.messages += s.messages.Load()
		t.reconnects += s.reconnects.Load()
	}
	return
}

// timing is how long the streams waited for one change, in milliseconds, and how many never got it.
type timing struct {
	waited []float64
	lost   int
}

// time makes the i-th change of a kind and waits until every stream has it.
func (f *fleet) time(c change, i int) (t timing) {
	marker := c.marker(i)
	sought := []byte(marker)
	for _, s := range f.streams {
		s.seen.Store(0)
		s.marker.Store(&sought)
	}
	start := time.Now()
	check(c.apply(i, marker))
	t.lost = f.await(func(s *stream) bool { return s.seen.Load() != 0 }, time.Millisecond, changeTimeout)
	for _, s := range f.streams {
		if at := s.seen.Load(); at != 0 {
			t.waited = append(t.waited, float64(at-start.UnixNano())/1e6)
		}
	}
	if t.lost > 0 {
		fmt.Fprintf(os.Stderr, "%s: %d streams did not get a change within %v\n", c.kind, t.lost, changeTimeout)
	}
	return
}

// summary is what several changes of one kind came to.
func summary(timed []timing) map[string]any {
	var each, slowest []float64
	lost := 0
	for _, t := range timed {
		lost += t.lost
		each = append(each, t.waited...)
		if len(t.waited) > 0 {
			slowest = append(slowest, slices.Max(t.waited))
		}
	}
	slices.Sort(each)
	slices.Sort(slowest)
	report := map[string]any{"changes": len(timed), "not_received": lost}
	if len(each) > 0 {
		report["stream_p50_ms"], report["stream_p99_ms"] = quantile(each, 0.5), quantile(each, 0.99)
		report["all_streams_p50_ms"], report["all_streams_p99_ms"] = quantile(slowest, 0.5), quantile(slowest, 0.99)
		report["all_streams_max_ms"] = quantile(slowest, 1)
	}
	return report
}

// measure makes one kind of change several times and reports how long the streams waited for it and what it cost the server.
func (f *fleet) measure(c change, times int, pause time.Duration, server process) map[string]any {
	var timed []timing
	trafficBefore, usageBefore := f.received(), server.usage()
	for i := range times {
		timed = append(timed, f.time(c, i))
		time.Sleep(pause)
	}
	trafficAfter, usageAfter := f.received(), server.usage()
	report := summary(timed)
	report["server_cpu_ms_per_change"] = (usageAfter.cpu - usageBefore.cpu) / int64(times)
	report["bytes_per_stream_per_change"] = (trafficAfter.bytes - trafficBefore.bytes) / int64(len(f.streams)) / int64(times)
	report["messages_per_stream_per_change"] = float64(trafficAfter.messages-trafficBefore.messages) / float64(len(f.streams)) / float64(times)
	report["rss_mb"] = usageAfter.memory
	return report
}
