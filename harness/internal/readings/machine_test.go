package readings

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/procfs"
)

// procWith is a folder like /proc with some files, by their path.
func procWith(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func procAt(t *testing.T, dir string) procfs.FS {
	t.Helper()
	fs, err := procfs.NewFS(dir)
	if err != nil {
		t.Fatal(err)
	}
	return fs
}

// Ticks are hundredths of a second. Guests' time is in user and nice already: 9 and 10 must not count again.
const (
	statFirst = "cpu  1000 100 400 6000 500 50 50 100 900 90\ncpu0 1000 100 400 6000 500 50 50 100 900 90\nbtime 1700000000\n"
	statLater = "cpu  1300 100 600 6300 600 50 50 200 1000 90\ncpu0 1300 100 600 6300 600 50 50 200 1000 90\nbtime 1700000000\n"
)

func TestMachineIsReadFromProc(t *testing.T) {
	const some = "some avg10=0.00 avg60=0.00 avg300=0.00 total="
	first := readMachine(procAt(t, procWith(t, map[string]string{"stat": statFirst, "pressure/cpu": some + "1000000\n"})))
	later := readMachine(procAt(t, procWith(t, map[string]string{"stat": statLater, "pressure/cpu": some + "1500000\n"})))
	if want := (CPUTimes{All: 82, Busy: 16, Stolen: 1}); first.CPU == nil || *first.CPU != want {
		t.Fatalf("CPU times %+v, want %+v", first.CPU, want)
	}
	if busy := first.Busy(later); busy == nil || *busy != 0.5 {
		t.Errorf("busy %v, want half of the ten seconds", busy)
	}
	if steal := first.Steal(later); steal == nil || *steal != 0.1 {
		t.Errorf("stolen %v, want a tenth of the ten seconds", steal)
	}
	at := func(s int64, m Machine) Reading { return Reading{At: time.Unix(s, 0), Machine: m} }
	if waited := at(0, first).Waiting(at(5, later)); waited == nil || *waited != 0.1 {
		t.Errorf("waited %v, want half a second of five", waited)
	}
	if waited := at(0, first).Waiting(at(0, later)); waited != nil {
		t.Errorf("waited %v of no time", *waited)
	}
}

// A kernel without pressure stall information, and a container without /proc/stat.
func TestMachineOfAnIncompleteProcIsUnknown(t *testing.T) {
	whole := readMachine(procAt(t, procWith(t, map[string]string{"stat": statLater,
		"pressure/cpu": "some avg10=0 avg60=0 avg300=0 total=5\n"})))
	for _, c := range []struct {
		name  string
		files map[string]string
		cpu   bool
	}{
		{name: "nothing", files: nil},
		{name: "no pressure", files: map[string]string{"stat": statFirst}, cpu: true},
		{name: "garbage", files: map[string]string{"stat": "cpu one two\n", "pressure/cpu": "none\n"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := readMachine(procAt(t, procWith(t, c.files)))
			if (m.CPU != nil) != c.cpu || m.Pressure != nil {
				t.Errorf("read %+v", m)
			}
			if busy := m.Busy(whole); (busy != nil) != c.cpu {
				t.Errorf("busy %v", busy)
			}
			r := Reading{At: time.Unix(0, 0), Machine: m}
			if waited := r.Waiting(Reading{At: time.Unix(1, 0), Machine: whole}); waited != nil {
				t.Errorf("waited %v", *waited)
			}
		})
	}
}

func TestTheHostsTimeIsShared(t *testing.T) {
	first := Machine{CPU: &CPUTimes{All: 100, Busy: 10, Stolen: 0}}
	later := Machine{CPU: &CPUTimes{All: 200, Busy: 60, Stolen: 5}}
	if busy, steal := first.Busy(later), first.Steal(later); busy == nil || *busy != 0.5 || steal == nil || *steal != 0.05 {
		t.Errorf("busy %v, stolen %v", busy, steal)
	}
	if busy := later.Busy(first); busy != nil {
		t.Errorf("busy %v in a time that runs backwards", *busy)
	}
	if busy := (Machine{}).Busy(ReadMachine()); busy != nil {
		t.Errorf("busy %v since an unknown time", *busy)
	}
}
