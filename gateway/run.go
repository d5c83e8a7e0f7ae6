package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/redis/go-redis/v9"

	"github.com/gatelab/gatelab/gateway/internal/logbuffer"
	"github.com/gatelab/gatelab/gateway/internal/logline"
	"github.com/gatelab/gatelab/gateway/internal/settings"
	"github.com/gatelab/gatelab/gateway/internal/tune"
)

// serve is the command that runs the gateway.
func serve(inv *invocation) error {
	s := &inv.settings
	out := logbuffer.New(inv.stderr, s.AccessLogFlush)
	defer out.Close()
	log := newLogger(s, out)
	silenceRedis()
	if len(s.Ignored) > 0 {
		log.Warn("variables of Kong without a meaning here are ignored", "variables", s.Ignored)
	}
	if s.Scheduling == "batch" {
		if err := tune.Batch(); err != nil {
			return fmt.Errorf("scheduling=batch: %w", err)
		}
	}
	tuned := tune.Apply(tune.Config{
		MaxProcs: s.MaxProcs, GCPercent: s.GCPercent, MemoryLimit: s.MemoryLimit, GCFloor: s.GCFloor,
		KeepGCPercent: inv.table.IsDefault("gc_percent"), KeepMemoryLimit: inv.table.IsDefault("memory_limit"),
	})
	defer tuned.KeepAlive()
	log.Info("runtime", "procs", tuned.Procs, "gc_percent", tuned.GCPercent, "memory_limit", settings.FormatBytes(tuned.MemoryLimit))
	p, err := newProgram(s, log, newAccessLog(s, out.Delayed()))
	if err != nil {
		return err
	}
	defer p.Close()
	return p.Run(inv.ctx)
}

// newLogger logs to w, stderr: stdout is for the output of commands.
func newLogger(s *settings.Settings, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: logLevel(s)}
	var h slog.Handler = slog.NewJSONHandler(w, options)
	if s.LogFormat == "text" {
		h = slog.NewTextHandler(w, options)
	}
	return slog.New(h).With("node", s.NodeName)
}

// newAccessLog writes lines like the log's.
func newAccessLog(s *settings.Settings, w io.Writer) *logline.Logger {
	return logline.New(w, s.LogFormat, logLevel(s)).With("node", s.NodeName)
}

func logLevel(s *settings.Settings) (level slog.Level) {
	_ = level.UnmarshalText([]byte(s.LogLevel)) // the setting allows levels only
	return level
}

// silenceRedis drops go-redis's own log: its errors are returned, counted and,
// where they matter, logged.
func silenceRedis() { redis.SetLogger(discardRedisLog{}) }

type discardRedisLog struct{}

func (discardRedisLog) Printf(context.Context, string, ...any) {}
