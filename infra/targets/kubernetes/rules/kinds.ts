/** The kinds that we write, each with the validator that kubernetes-models compiled from the OpenAPI of Kubernetes. */
import { validate as daemonSet } from "kubernetes-models/_schemas/IoK8sApiAppsV1DaemonSet";
import { validate as deployment } from "kubernetes-models/_schemas/IoK8sApiAppsV1Deployment";
import { validate as replicaSet } from "kubernetes-models/_schemas/IoK8sApiAppsV1ReplicaSet";
import { validate as statefulSet } from "kubernetes-models/_schemas/IoK8sApiAppsV1StatefulSet";
import { validate as autoscaler } from "kubernetes-models/_schemas/IoK8sApiAutoscalingV2HorizontalPodAutoscaler";
import { validate as cronJob } from "kubernetes-models/_schemas/IoK8sApiBatchV1CronJob";
import { validate as job } from "kubernetes-models/_schemas/IoK8sApiBatchV1Job";
import { validate as configMap } from "kubernetes-models/_schemas/IoK8sApiCoreV1ConfigMap";
import { validate as limitRange } from "kubernetes-models/_schemas/IoK8sApiCoreV1LimitRange";
import { validate as namespace } from "kubernetes-models/_schemas/IoK8sApiCoreV1Namespace";
import { validate as volume } from "kubernetes-models/_schemas/IoK8sApiCoreV1PersistentVolume";
import { validate as volumeClaim } from "kubernetes-models/_schemas/IoK8sApiCoreV1PersistentVolumeClaim";
import { validate as pod } from "kubernetes-models/_schemas/IoK8sApiCoreV1Pod";
import { validate as quota } from "kubernetes-models/_schemas/IoK8sApiCoreV1ResourceQuota";
import { validate as secret } from "kubernetes-models/_schemas/IoK8sApiCoreV1Secret";
import { validate as service } from "kubernetes-models/_schemas/IoK8sApiCoreV1Service";
import { validate as serviceAccount } from "kubernetes-models/_schemas/IoK8sApiCoreV1ServiceAccount";
import { validate as ingress } from "kubernetes-models/_schemas/IoK8sApiNetworkingV1Ingress";
import { validate as networkPolicy } from "kubernetes-models/_schemas/IoK8sApiNetworkingV1NetworkPolicy";
import { validate as runtimeClass } from "kubernetes-models/_schemas/IoK8sApiNodeV1RuntimeClass";
import { validate as disruptionBudget } from "kubernetes-models/_schemas/IoK8sApiPolicyV1PodDisruptionBudget";
import { validate as clusterRole } from "kubernetes-models/_schemas/IoK8sApiRbacV1ClusterRole";
import { validate as clusterRoleBinding } from "kubernetes-models/_schemas/IoK8sApiRbacV1ClusterRoleBinding";
import { validate as role } from "kubernetes-models/_schemas/IoK8sApiRbacV1Role";
import { validate as roleBinding } from "kubernetes-models/_schemas/IoK8sApiRbacV1RoleBinding";
import { validate as priorityClass } from "kubernetes-models/_schemas/IoK8sApiSchedulingV1PriorityClass";
import { validate as storageClass } from "kubernetes-models/_schemas/IoK8sApiStorageV1StorageClass";

export type Validate = (data: unknown) => boolean;

/** `apiVersion Kind` → validator. */
export const VALIDATORS: Readonly<Record<string, Validate>> = {
  "apps/v1 DaemonSet": daemonSet,
  "apps/v1 Deployment": deployment,
  "apps/v1 ReplicaSet": replicaSet,
  "apps/v1 StatefulSet": statefulSet,
  "autoscaling/v2 HorizontalPodAutoscaler": autoscaler,
  "batch/v1 CronJob": cronJob,
  "batch/v1 Job": job,
  "networking.k8s.io/v1 Ingress": ingress,
  "networking.k8s.io/v1 NetworkPolicy": networkPolicy,
  "node.k8s.io/v1 RuntimeClass": runtimeClass,
  "policy/v1 PodDisruptionBudget": disruptionBudget,
  "rbac.authorization.k8s.io/v1 ClusterRole": clusterRole,
  "rbac.authorization.k8s.io/v1 ClusterRoleBinding": clusterRoleBinding,
  "rbac.authorization.k8s.io/v1 Role": role,
  "rbac.authorization.k8s.io/v1 RoleBinding": roleBinding,
  "scheduling.k8s.io/v1 PriorityClass": priorityClass,
  "storage.k8s.io/v1 StorageClass": storageClass,
  "v1 ConfigMap": configMap,
  "v1 LimitRange": limitRange,
  "v1 Namespace": namespace,
  "v1 PersistentVolume": volume,
  "v1 PersistentVolumeClaim": volumeClaim,
  "v1 Pod": pod,
  "v1 ResourceQuota": quota,
  "v1 Secret": secret,
  "v1 Service": service,
  "v1 ServiceAccount": serviceAccount,
};

/** What a schema has and its validator never asks for: the compiler of kubernetes-models leaves out properties of this name. */
export const UNASKED: Readonly<Record<string, readonly string[]>> = {
  "scheduling.k8s.io/v1 PriorityClass": ["description"],
};

/** Kinds of operators: their schemas are in the cluster, not with us. */
export const CUSTOM_KINDS: readonly string[] = [
  "autoscaling.k8s.io/v1 VerticalPodAutoscaler",
  "external-secrets.io/v1 ExternalSecret",
  "gateway.networking.k8s.io/v1 GRPCRoute",
  "gateway.networking.k8s.io/v1 Gateway",
  "gateway.networking.k8s.io/v1 HTTPRoute",
  "monitoring.coreos.com/v1 PodMonitor",
  "monitoring.coreos.com/v1 PrometheusRule",
  "monitoring.coreos.com/v1 ServiceMonitor",
  "postgresql.cnpg.io/v1 Backup",
  "postgresql.cnpg.io/v1 Cluster",
  "postgresql.cnpg.io/v1 Pooler",
  "postgresql.cnpg.io/v1 ScheduledBackup",
];
