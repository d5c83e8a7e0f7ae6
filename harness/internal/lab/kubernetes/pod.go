package kubernetes

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/gatelab/gatelab/harness/internal/lab"
)

// containerName is that of a pod's only container.
const containerName = "node"

// serviceOf gives a node its name, and an address that stays when its pod is made again.
func (r *Runtime) serviceOf(s lab.Spec) *core.Service {
	svc := &core.Service{
		ObjectMeta: meta.ObjectMeta{Name: s.Name, Labels: r.labels(s.Name, s.Role)},
		Spec: core.ServiceSpec{
			Selector: map[string]string{labelLab: r.config.RunID, labelNode: s.Name},
			// Whether a node is ready is found out by asking it, also through its service.
			PublishNotReadyAddresses: true,
		},
	}
	for _, port := range slices.Concat(s.Ports, s.Inner) {
		svc.Spec.Ports = append(svc.Spec.Ports, core.ServicePort{
			Name: "p" + strconv.Itoa(port), Port: int32(port), TargetPort: intstr.FromInt32(int32(port)), //nolint:gosec // ports
		})
	}
	return svc
}

// fileKey is a file's name in a node's Secret.
func fileKey(path string) string {
	sum := sha256.Sum256([]byte(path))
	return hex.EncodeToString(sum[:8])
}

// secretOf holds a node's files; some have passwords.
func (r *Runtime) secretOf(s lab.Spec) *core.Secret {
	data := map[string][]byte{}
	for path, body := range s.Files {
		data[fileKey(path)] = body
	}
	return &core.Secret{ObjectMeta: meta.ObjectMeta{Name: s.Name, Labels: r.labels(s.Name, s.Role)}, Data: data}
}

// podOf is a node. It is not restarted by the cluster: when a node that was killed comes back is the lab's affair. r.mu is held.
func (r *Runtime) podOf(s lab.Spec, img image) *core.Pod {
	grace, most := int64(1), int64(lastsAtMost.Seconds())
	no := false
	c := core.Container{
		Name: containerName, Image: img.name, ImagePullPolicy: img.pull, Command: img.Entrypoint, Args: img.Args,
		Env: environment(img.Env, r.variables(s)), Resources: resources(s), SecurityContext: security(img.User),
	}
	volumes := scratch(s, &c)
	if len(s.Files) > 0 {
		volumes = append(volumes, core.Volume{Name: "files", VolumeSource: core.VolumeSource{
			Secret: &core.SecretVolumeSource{SecretName: s.Name}}})
		for _, path := range slices.Sorted(maps.Keys(s.Files)) {
			c.VolumeMounts = append(c.VolumeMounts, core.VolumeMount{Name: "files", MountPath: path, SubPath: fileKey(path), ReadOnly: true})
		}
	}
	return &core.Pod{
		ObjectMeta: meta.ObjectMeta{Name: s.Name, Labels: r.labels(s.Name, s.Role)},
		Spec: core.PodSpec{
			Hostname: s.Name, Containers: []core.Container{c}, Volumes: volumes, RestartPolicy: core.RestartPolicyNever,
			TerminationGracePeriodSeconds: &grace, ActiveDeadlineSeconds: &most,
			AutomountServiceAccountToken: &no, EnableServiceLinks: &no,
			Affinity: r.placing.affinity(s),
			SecurityContext: &core.PodSecurityContext{Sysctls: []core.Sysctl{
				{Name: "net.ipv4.ip_local_port_range", Value: "1024 65535"}, // without keep-alive every request takes a port for a minute
			}},
		},
	}
}

// variables are the spec's own, with the threads of a worker according to its machine.
func (r *Runtime) variables(s lab.Spec) map[string]string {
	n, ok := r.placing.threadsOf(s)
	if !ok {
		return s.Env
	}
	out := maps.Clone(s.Env)
	out[threads] = n
	return out
}

// environment is sorted, so that equal specs make equal pods; what the spec says goes over what the image needs.
func environment(image, spec map[string]string) (env []core.EnvVar) {
	all := map[string]string{}
	maps.Copy(all, image)
	maps.Copy(all, spec)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		env = append(env, core.EnvVar{Name: name, Value: all[name]})
	}
	return env
}

// usualWeight is the weight of a node that has none, and what such a node asks for, in thousandths of a core: so little that a lab fits
// on small machines, in proportion to the others' weights.
const (
	usualWeight = 1024
	usualMilli  = 20
)

// resources are the limits of a spec. Requests decide only who gets how much of a busy processor.
func resources(s lab.Spec) core.ResourceRequirements {
	weight := s.CPUWeight
	if weight == 0 {
		weight = usualWeight
	}
	milli := max(1, weight*usualMilli/usualWeight)
	out := core.ResourceRequirements{Limits: core.ResourceList{}, Requests: core.ResourceList{}}
	if s.CPUs > 0 {
		limit := max(1, int64(math.Round(s.CPUs*1000)))
		out.Limits[core.ResourceCPU] = *resource.NewMilliQuantity(limit, resource.DecimalSI)
		milli = min(milli, limit)
	}
	out.Requests[core.ResourceCPU] = *resource.NewMilliQuantity(milli, resource.DecimalSI)
	if s.Memory > 0 {
		out.Limits[core.ResourceMemory] = *resource.NewQuantity(s.Memory, resource.BinarySI)
		out.Requests[core.ResourceMemory] = *resource.NewQuantity(min(s.Memory, 16<<20), resource.BinarySI)
	}
	return out
}

// security runs a node as the user that its image is made for.
func security(user string) *core.SecurityContext {
	no := false
	c := &core.SecurityContext{AllowPrivilegeEscalation: &no}
	if uid, err := strconv.ParseInt(user, 10, 64); err == nil {
		c.RunAsUser, c.RunAsGroup = &uid, &uid
	}
	return c
}

// scratch are a spec's directories in memory, and /dev/shm, of which Postgres' parallel workers need more than the usual 64 MB.
func scratch(s lab.Spec, c *core.Container) (volumes []core.Volume) {
	add := func(name, path string, megabytes int) {
		source := &core.EmptyDirVolumeSource{Medium: core.StorageMediumMemory}
		if megabytes > 0 {
			source.SizeLimit = resource.NewQuantity(int64(megabytes)<<20, resource.BinarySI)
		}
		volumes = append(volumes, core.Volume{Name: name, VolumeSource: core.VolumeSource{EmptyDir: source}})
		c.VolumeMounts = append(c.VolumeMounts, core.VolumeMount{Name: name, MountPath: path})
	}
	if s.Program == lab.ProgramPostgres {
		add("shm", "/dev/shm", 256)
	}
	for i, dir := range s.Scratch {
		add(fmt.Sprintf("scratch-%d", i), filepath.Clean(dir), s.ScratchMB)
	}
	return volumes
}
