//go:build !linux

package main

import "errors"

func scheduleInBatches() error { return errors.New("only Linux schedules in batches") }
