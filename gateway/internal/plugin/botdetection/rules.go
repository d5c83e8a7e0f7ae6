package botdetection

import "regexp"

// bots are the user agents that are refused unless they are allowed. The list is
// our own: programs that say of themselves that they are robots, crawlers known
// by another name, and libraries that fetch pages.
var bots = []*regexp.Regexp{
	// A word that ends as robots' names do: Googlebot/2.1, my-spider 1.0. Not CUBOT,
	// which makes telephones.
	regexp.MustCompile(`(?i)\b[\w.-]*(?:[^u\W]bot|spider|crawler|scraper|archiver|indexer)\b`),
	regexp.MustCompile(`(?i)\bbots?\b`),
	regexp.MustCompile(`(?i)\bcrawl(?:er|ing)?\b`),
	// Previews of links, and other services that fetch on behalf of pages.
	regexp.MustCompile(`(?i)facebookexternalhit|facebot|google.*/\+/web/snippet|mediapartners-google|adsbot-google|bingpreview`),
	regexp.MustCompile(`(?i)\b(?:slurp|ia_archiver|heritrix|nutch|baiduspider|yandex\w+|yeti|teoma|htdig|larbin|wotbox|scrapy|scrubby)\b`),
	// Monitors and libraries.
	regexp.MustCompile(`(?i)pingdom\.com_bot|statuscake|uptimerobot|httpmonitor|tlsprober|web-sniffer|whatweb`),
	regexp.MustCompile(`Google-HTTP-Java-Client|Apache-HttpClient|http%20client|Python-urllib|WinHTTP|JNLP`),
}
