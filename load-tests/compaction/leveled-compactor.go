// One merge by the compactor of Prometheus, measured from inside: the counterpart of merge-once.ts.
// Built in the module that pins Prometheus: go build -C .ci/tools -o <out> "$PWD/load-tests/compaction/leveled-compactor.go"
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

func main() {
	folder, blocks := os.Args[1], os.Args[2:]
	begin := time.Now()
	ranges := tsdb.ExponentialBlockRanges(int64(2*time.Hour/time.Millisecond), 3, 5)
	compactor, err := tsdb.NewLeveledCompactor(context.Background(), nil, slog.New(slog.DiscardHandler), ranges, chunkenc.NewPool(), nil)
	if err != nil {
		panic(err)
	}
	ids, err := compactor.Compact(folder, blocks, nil)
	if err != nil {
		panic(err)
	}
	seconds := time.Since(begin).Seconds()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	cpu := time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
	line, _ := json.Marshal(map[string]any{
		"block":      filepath.Join(folder, ids[0].String()),
		"seconds":    seconds,
		"cpuSeconds": cpu,
		"peakBytes":  usage.Maxrss * 1024,
	})
	fmt.Println(string(line))
}
