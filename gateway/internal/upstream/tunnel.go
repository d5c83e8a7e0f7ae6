package upstream

import "time"

// SetReadDeadline is net.Conn's.
func (u *upgradedConn) SetReadDeadline(t time.Time) error { return u.k.SetReadDeadline(t) }

// SetWritePause is how long one write may wait for the upstream.
func (u *upgradedConn) SetWritePause(d time.Duration) { u.k.pace = d }

// CloseWrite tells the upstream that nothing more comes.
func (u *upgradedConn) CloseWrite() error {
	if half, ok := u.k.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return u.k.Close()
}
