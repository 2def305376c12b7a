/** Names that ask for a protection: limits, filters, checks, records. What is not kept here is refused rather than dropped. */
import type { Family } from "./family.ts";

export const protectionFamilies = {
  outbound: {
    verdict: "meaningless",
    because: "http and https are the only schemes that are called, and certificates are always checked",
    instead: "a private authority of an upstream's own",
    names: "VALIDATION_ALLOWED_URL_SCHEMES SKIP_SSL_VERIFY",
  },
  gatewayTest: {
    verdict: "meaningless",
    because: "there is no page that tests addresses for a user",
    names: "GATEWAY_TEST_ALLOWED_HOSTS GATEWAY_TEST_ALLOW_REGISTERED_ONLY GATEWAY_TEST_DNS_TIMEOUT",
  },
  callerLimits: {
    verdict: "refused",
    because: "a caller who goes on against a limit is refused as before, and not locked out",
    harmless: ["false", "0"],
    switchedBy: "RATE_LIMIT_LOCKOUT_ENABLED",
    names: `RATE_LIMIT_LOCKOUT_ENABLED RATE_LIMIT_LOCKOUT_THRESHOLD RATE_LIMIT_LOCKOUT_DURATION_MINUTES
      VALIDATION_MAX_REQUESTS_PER_MINUTE`,
  },
  callerLimitStore: {
    verdict: "meaningless",
    because: "limits are counted in the Redis of REDIS_URL, like everything else that workers share",
    names: `RATELIMITER_REDIS_URL RATELIMITER_REDIS_MAX_CONNECTIONS RATELIMITER_REDIS_SOCKET_TIMEOUT
      RATELIMITER_REDIS_SOCKET_CONNECT_TIMEOUT RATELIMITER_REDIS_SSL RATELIMITER_REDIS_SSL_CA_CERTS
      RATELIMITER_REDIS_SSL_CERTFILE RATELIMITER_REDIS_SSL_KEYFILE RATELIMITER_REDIS_SSL_CHECK_HOSTNAME`,
  },
  contentChecks: {
    verdict: "refused",
    because: "arguments and results are passed on as they are: nothing in them is searched, cleaned or cut",
    harmless: ["false", "0", "[]"],
    names: `EXPERIMENTAL_VALIDATE_IO VALIDATION_MIDDLEWARE_ENABLED VALIDATION_STRICT SANITIZE_OUTPUT ALLOWED_ROOTS DANGEROUS_PATTERNS
      TOOL_DESCRIPTION_FORBIDDEN_PATTERNS_ENABLED TOOL_DESCRIPTION_FORBIDDEN_PATTERNS CONTENT_STRICT_MIME_VALIDATION
      CONTENT_ALLOWED_RESOURCE_MIMETYPES CONTENT_VALIDATE_PROMPT_TEMPLATES CONTENT_BLOCKED_TEMPLATE_PATTERNS
      CONTENT_PATTERN_DETECTION_ENABLED CONTENT_BLOCKED_PATTERNS VALIDATION_DANGEROUS_HTML_PATTERN
      VALIDATION_DANGEROUS_JS_PATTERN VALIDATION_ALLOWED_MIME_TYPES ALLOWED_MIME_TYPES ROOT_ALLOWED_SCHEMES
      ROOT_ALLOWED_FILE_PREFIXES`,
  },
  contentLimits: {
    verdict: "refused",
    because: "whole requests, whole messages and arguments of tools have a limit, their other parts have none",
    instead: "MAX_BODY_BYTES and UPSTREAM_MAX_MESSAGE_BYTES",
    names: `MAX_PATH_DEPTH META_MAX_KEYS META_MAX_DEPTH META_MAX_BYTES VALIDATION_MAX_JSON_DEPTH
      VALIDATION_MAX_CONTENT_LENGTH MAX_RESOURCE_SIZE CONTENT_MAX_RESOURCE_SIZE
      CONTENT_MAX_PROMPT_SIZE MAX_PROMPT_SIZE`,
  },
  contentTuning: {
    verdict: "meaningless",
    because: "it tunes checks of content that are not made here",
    names: `CONTENT_PATTERN_VALIDATION_MODE CONTENT_PATTERN_CACHE_ENABLED CONTENT_PATTERN_MAX_CACHE_SIZE
      CONTENT_PATTERN_MAX_SCAN_SIZE CONTENT_PATTERN_REGEX_TIMEOUT MCP_BODY_PEEK_MAX_BYTES ROOT_ALLOW_FILE_SCHEME
      DEFAULT_ROOTS`,
  },
  inputPatterns: {
    verdict: "meaningless",
    because: "what may be written into the registry is fixed and checked by its own schemas",
    names: `VALID_SLUG_SEPARATOR_REGEXP VALIDATION_NAME_PATTERN VALIDATION_IDENTIFIER_PATTERN VALIDATION_SAFE_URI_PATTERN
      VALIDATION_UNSAFE_URI_PATTERN VALIDATION_TOOL_NAME_PATTERN VALIDATION_TOOL_METHOD_PATTERN VALIDATION_CURSOR_PATTERN
      VALIDATION_TAGS_FILTER_PATTERN VALIDATION_GATEWAY_ID_LIST_PATTERN VALIDATION_RENDER_MODE_PATTERN
      VALIDATION_VISIBILITY_PATTERN VALIDATION_USER_IDENTIFIER_PATTERN VALIDATION_HTTP_METHOD_PATTERN
      VALIDATION_EXPORT_FORMAT_PATTERN VALIDATION_ERROR_CODE_PATTERN VALIDATION_TRACE_STATUS_PATTERN
      VALIDATION_TOOLOPS_MODE_PATTERN VALIDATION_HYPHEN_IDENTIFIER_PATTERN VALIDATION_TEAM_ID_PATTERN
      VALIDATION_SCOPE_ID_PATTERN VALIDATION_GATEWAY_ID_PATTERN VALIDATION_TRACE_ID_PATTERN VALIDATION_RESOURCE_NAME_PATTERN
      VALIDATION_RELATIONSHIP_PATTERN VALIDATION_ENTITY_TYPE_PATTERN VALIDATION_TIME_RANGE_PATTERN
      VALIDATION_STATUS_FILTER_PATTERN VALIDATION_PERIOD_TYPE_PATTERN VALIDATION_AGGREGATION_PATTERN
      VALIDATION_ENTITY_TYPES_PATTERN VALIDATION_MAX_NAME_LENGTH VALIDATION_MAX_TOOL_NAME_LENGTH
      VALIDATION_MAX_DESCRIPTION_LENGTH VALIDATION_MAX_TEMPLATE_LENGTH VALIDATION_MAX_URL_LENGTH
      VALIDATION_MAX_METHOD_LENGTH VALIDATION_MIN_TAG_LENGTH VALIDATION_MAX_TAG_LENGTH JSON_SCHEMA_VALIDATION_STRICT`,
  },
  browserHeaders: {
    verdict: "meaningless",
    because: "no pages are served; what TLS asks of browsers is said where TLS ends",
    instead: "the proxy in front",
    names: `SECURITY_HEADERS_ENABLED X_FRAME_OPTIONS X_CONTENT_TYPE_OPTIONS_ENABLED X_XSS_PROTECTION_ENABLED
      X_DOWNLOAD_OPTIONS_ENABLED HSTS_ENABLED HSTS_MAX_AGE HSTS_INCLUDE_SUBDOMAINS REMOVE_SERVER_HEADERS`,
  },
  pagesOfOthers: {
    verdict: "refused",
    because: "which pages may call is said by ALLOWED_ORIGINS alone",
    instead: "an empty ALLOWED_ORIGINS",
    harmless: ["true"],
    names: "CORS_ENABLED",
  },
  requestHead: {
    verdict: "meaningless",
    because: "the head of a request has a fixed limit in any case",
    names: "HEADER_SIZE_VALIDATION_ENABLED MAX_HEADER_TOTAL_SIZE_BYTES MAX_HEADER_FIELD_SIZE_BYTES MAX_HEADER_COUNT",
  },
  errorDetails: {
    verdict: "meaningless",
    because: "an answer never shows what went wrong inside",
    names: "EXPOSE_ERROR_DETAILS",
  },
  records: {
    verdict: "refused",
    because: "security events are kept in the database and on stderr, and not exported",
    instead: "log lines on stderr (DISABLE_ACCESS_LOG=false for one per request)",
    harmless: ["false"],
    names: "SIEM_EXPORT_ENABLED",
  },
  recordTuning: {
    verdict: "meaningless",
    because: "it tunes records that are not written here",
    names: `SECURITY_THREAT_SCORE_ALERT SIEM_EXPORT_BATCH_SIZE SIEM_EXPORT_FLUSH_INTERVAL_SECONDS
      SIEM_EXPORT_QUEUE_MAX_SIZE SIEM_EXPORT_MAX_RETRIES SIEM_EXPORT_BACKOFF_MAX_SECONDS
      SIEM_EXPORT_BACKPRESSURE_POLICY SIEM_EXPORT_EVENT_SOURCES SIEM_EXPORT_STREAM_NAME
      SIEM_EXPORT_CONSUMER_GROUP SIEM_EXPORT_URL_ALLOWLIST SIEM_EXPORT_REDACT_FIELDS SIEM_DESTINATIONS
      SIEM_DESTINATIONS_FILE`,
  },
  plugins: {
    verdict: "refused",
    because: "no plugins run, so neither do the filters and guards among them",
    harmless: ["false"],
    switchedBy: "PLUGINS_ENABLED",
    names: "PLUGINS_ENABLED PLUGINS_CONFIG_FILE",
  },
  pluginRights: {
    verdict: "meaningless",
    because: "no plugins run",
    names: `PLUGINS_CAN_OVERRIDE_RBAC PLUGINS_CAN_OVERRIDE_AUTH_HEADERS PLUGIN_METRICS_DB_SPANS_ENABLED
      PLUGIN_METRICS_DB_NUMERIC_ROWS_ENABLED PLUGIN_METRICS_MAX_NUMERIC_PER_CALL CPEX_CONTROL_TELEMETRY_ENABLED
      CPEX_CONTROL_TELEMETRY_DB_ENABLED CPEX_CONTROL_TELEMETRY_FLATTEN_RESULTS CPEX_CONTROL_TELEMETRY_MAX_RESULTS
      CPEX_CONTROL_TELEMETRY_MAX_ATTRIBUTES CPEX_CONTROL_TELEMETRY_EMIT_REASON CPEX_CONTROL_TELEMETRY_EMIT_AGENT_ID
      PLUGINS_DIR PLUGINS_LOG_LEVEL`,
  },
  redisTls: {
    verdict: "refused",
    because: "TLS to Redis is asked for in its address",
    instead: "rediss:// in REDIS_URL",
    harmless: ["false"],
    names: "REDIS_SSL",
  },
  redisTlsLoosening: {
    verdict: "meaningless",
    because: "a certificate's name is always checked",
    names: "REDIS_SSL_CHECK_HOSTNAME",
  },
  inboundTls: {
    verdict: "meaningless",
    because: "TLS is spoken where its files are named, and no process of the gateway calls another",
    instead: "TLS_CERT_FILE and TLS_KEY_FILE",
    names: "SSL LOOPBACK_CLIENT_CERT LOOPBACK_CLIENT_KEY",
  },
  sealedKey: {
    verdict: "refused",
    because: "a private key with a passphrase is not read",
    instead: "a TLS_KEY_FILE that only the gateway can read",
    names: "KEY_FILE_PASSWORD",
  },
} as const satisfies Record<string, Family>;
