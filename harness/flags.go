package main

import "github.com/spf13/pflag"

// Flags that several commands have in common. Those of a session are in session.go.

// listenFlag is the address of a server; its value is the default.
func listenFlag(f *pflag.FlagSet, to *string) {
	f.StringVar(to, "listen", *to, "`host:port` to listen on")
}

func hostsFlag(f *pflag.FlagSet, to *[]string) {
	f.StringSliceVar(to, "hosts", nil,
		"additional host `names` of this server; requests with other Host fields are rejected, except for loopback and its own address")
}
