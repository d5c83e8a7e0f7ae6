package main

import (
	"github.com/spf13/cobra"

	"github.com/gatelab/gatelab/harness/internal/link"
)

func (p *Program) linkCommand() *cobra.Command {
	config := link.Config{Admin: "127.0.0.1:8474"}
	var proxies []string
	c := &cobra.Command{
		Use:     "link",
		Short:   "Delay the traffic between nodes (a node of a lab)",
		Example: `  harness link --proxy postgres=127.0.0.1:15432,127.0.0.1:5432,2.5ms`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, text := range proxies {
				p, err := link.ParseProxy(text)
				if err != nil {
					return err
				}
				config.Proxies = append(config.Proxies, p)
			}
			return link.Run(cmd.Context(), config)
		},
	}
	f := c.Flags()
	f.StringVar(&config.Admin, "admin", config.Admin, "`host:port` of the HTTP admin API")
	hostsFlag(f, &config.Hosts)
	f.StringArrayVar(&proxies, "proxy", nil, "`name=listen,upstream[,latency[,jitter[,loss]]]` of a proxy; can be repeated")
	return c
}
