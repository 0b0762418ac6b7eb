package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Linux counts a process's CPU time in ticks of 10 ms and its memory in pages.
const (
	tickMillis = 10
	pageSize   = 4096
)

// process is the id of the measured server; 0 for none.
type process int

// usage is the CPU time a process has used, in milliseconds, and its resident memory, in MiB.
type usage struct{ cpu, memory int64 }

func (p process) usage() usage {
	if p == 0 {
		return usage{}
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p))
	if err != nil {
		return usage{}
	}
	// The command, in parentheses, may hold spaces; what follows it are fields 3 and up of proc(5).
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+2:]))
	field := func(number int) int64 {
		value, err := strconv.ParseInt(fields[number-3], 10, 64)
		check(err)
		return value
	}
	const userTime, systemTime, residentPages = 14, 15, 24
	return usage{
		cpu:    (field(userTime) + field(systemTime)) * tickMillis,
		memory: field(residentPages) * pageSize >> 20,
	}
}

// quantile of sorted values, to a tenth.
func quantile(sorted []float64, q float64) float64 {
	return float64(int(sorted[int(q*float64(len(sorted)-1))]*10)) / 10
}

func milliseconds(d time.Duration) float64 { return float64(int(d.Seconds()*10000)) / 10 }
