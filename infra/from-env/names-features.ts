/** Names of features that this gateway does not have, or has without a switch. */
import type { Family } from "./family.ts";

export const featureFamilies = {
  adminPages: {
    verdict: "meaningless",
    because: "there are no admin pages; the registry is managed over its API and a file",
    instead: "MCP_CONFIG",
    names: `APP_NAME TEMPLATES_DIR STATIC_DIR UI_BASE_URL MCPGATEWAY_UI_ENABLED MCPGATEWAY_ADMIN_API_ENABLED
      MCPGATEWAY_UI_AIRGAPPED MCPGATEWAY_UI_EMBEDDED MCPGATEWAY_UI_HIDE_SECTIONS
      MCPGATEWAY_UI_HIDE_HEADER_ITEMS MCPGATEWAY_UI_HIDE_SECTIONS_ADMIN
      MCPGATEWAY_UI_HIDE_HEADER_ITEMS_ADMIN MCPGATEWAY_UI_TOOL_TEST_TIMEOUT
      MCPGATEWAY_BULK_IMPORT_MAX_TOOLS MCPGATEWAY_BULK_IMPORT_RATE_LIMIT MCPGATEWAY_CATALOG_ENABLED
      MCPGATEWAY_CATALOG_FILE MCPGATEWAY_CATALOG_AUTO_HEALTH_CHECK MCPGATEWAY_CATALOG_CACHE_TTL
      MCPGATEWAY_CATALOG_PAGE_SIZE`,
  },
  agents: {
    verdict: "meaningless",
    because: "agents of the A2A protocol are not served",
    names: `MCPGATEWAY_A2A_ENABLED MCPGATEWAY_A2A_MAX_AGENTS MCPGATEWAY_A2A_DEFAULT_TIMEOUT MCPGATEWAY_A2A_MAX_RETRIES
      MCPGATEWAY_A2A_METRICS_ENABLED A2A_STATS_CACHE_TTL UAID_ALLOWED_DOMAINS UAID_ALLOW_ALL_DOMAINS UAID_FORWARD_AUTH
      UAID_REQUIRE_ALLOWLIST_ON_STARTUP UAID_MAX_LENGTH UAID_MAX_FEDERATION_HOPS`,
  },
  grpc: {
    verdict: "meaningless",
    because: "gRPC is not translated",
    names: `MCPGATEWAY_GRPC_ENABLED MCPGATEWAY_GRPC_REFLECTION_ENABLED MCPGATEWAY_GRPC_MAX_MESSAGE_SIZE MCPGATEWAY_GRPC_TIMEOUT
      MCPGATEWAY_GRPC_TLS_ENABLED`,
  },
  languageModels: {
    verdict: "meaningless",
    because: "no language model is spoken to",
    names: `LLMCHAT_ENABLED LLMCHAT_SESSION_TTL LLMCHAT_SESSION_LOCK_TTL LLMCHAT_SESSION_LOCK_RETRIES LLMCHAT_SESSION_LOCK_WAIT
      LLMCHAT_CHAT_HISTORY_TTL LLMCHAT_CHAT_HISTORY_MAX_MESSAGES LLM_API_PREFIX LLM_REQUEST_TIMEOUT LLM_STREAMING_ENABLED
      LLM_HEALTH_CHECK_INTERVAL TOOLOPS_ENABLED MCPGATEWAY_STDIO_TRANSPORT_ENABLED`,
  },
  apps: {
    verdict: "meaningless",
    because: "what MCP Apps need is passed through without sessions of its own",
    names: `MCPGATEWAY_MCP_APPS_ENABLED MCPGATEWAY_MCP_APPS_SESSION_TTL MCPGATEWAY_MCP_APPS_SESSION_CLEANUP_ENABLED
      MCPGATEWAY_MCP_APPS_SESSION_CLEANUP_INTERVAL_SECONDS MCPGATEWAY_MCP_APPS_SESSION_CLEANUP_BATCH_SIZE`,
  },
  restTools: {
    verdict: "meaningless",
    because: "results of REST tools are not filtered, and redirections are not followed beyond the guard of addresses",
    names: `JQ_FILTER_EXECUTION JQ_FILTER_TIMEOUT_SECONDS JQ_FILTER_WORKERS PROMPT_RENDER_TIMEOUT
      GATEWAY_MAX_REDIRECTS`,
  },
  alwaysOn: {
    verdict: "meaningless",
    because: "it is always on, behind the same authentication as the rest",
    names: `TRANSPORT_TYPE MCPGATEWAY_WS_RELAY_ENABLED SSE_KEEPALIVE_ENABLED MCP_GET_STREAM_ENABLED
      MCP_GET_STREAM_LISTENER_TTL_SECONDS JSON_RESPONSE_ENABLED MCPGATEWAY_TOOL_CANCELLATION_ENABLED
      MCPGATEWAY_ELICITATION_ENABLED MCPGATEWAY_ELICITATION_MAX_CONCURRENT PROTOCOL_VERSION`,
  },
  otherRoutes: {
    verdict: "meaningless",
    because: "there is no such way in",
    names: `MCPGATEWAY_REVERSE_PROXY_ENABLED MCPGATEWAY_DIRECT_PROXY_ENABLED MCPGATEWAY_DIRECT_PROXY_TIMEOUT LEGACY_API_ENABLED
      LEGACY_API_SUNSET_DATE CLIENT_MODE WELL_KNOWN_ENABLED WELL_KNOWN_ROBOTS_TXT WELL_KNOWN_SECURITY_TXT
      WELL_KNOWN_SECURITY_TXT_ENABLED WELL_KNOWN_CUSTOM_FILES WELL_KNOWN_CACHE_MAX_AGE`,
  },
  pathPrefix: {
    verdict: "meaningless",
    because: "routes stand at the root; a prefix is taken off in front",
    instead: "the proxy in front",
    names: "APP_ROOT_PATH",
  },
  pages: {
    verdict: "meaningless",
    because: "lists are paged by cursor with fixed sizes",
    names: `PAGINATION_DEFAULT_PAGE_SIZE PAGINATION_MAX_PAGE_SIZE PAGINATION_MIN_PAGE_SIZE PAGINATION_CURSOR_THRESHOLD
      PAGINATION_CURSOR_ENABLED PAGINATION_DEFAULT_SORT_FIELD PAGINATION_DEFAULT_SORT_ORDER PAGINATION_MAX_OFFSET
      PAGINATION_COUNT_CACHE_TTL PAGINATION_INCLUDE_LINKS PAGINATION_BASE_URL`,
  },
  liveLists: {
    verdict: "meaningless",
    because: "lists are kept only as long as their upstreams allow it, and asked for when somebody wants them",
    names: `HOT_COLD_CLASSIFICATION_ENABLED SLUG_REFRESH_BATCH_SIZE`,
  },
  noSuchCache: {
    verdict: "meaningless",
    because:
      "what this cache would keep is in the memory of every process anyway (the registry, which names lead where) or is not there (agents, an external catalogue, prompts, whose answers depend on their arguments)",
    names: `PROMPT_CACHE_SIZE REGISTRY_CACHE_AGENTS_TTL REGISTRY_CACHE_SERVERS_TTL REGISTRY_CACHE_GATEWAYS_TTL
      REGISTRY_CACHE_CATALOG_TTL TOOL_LOOKUP_CACHE_ENABLED TOOL_LOOKUP_CACHE_TTL_SECONDS
      TOOL_LOOKUP_CACHE_NEGATIVE_TTL_SECONDS TOOL_LOOKUP_CACHE_L1_MAXSIZE TOOL_LOOKUP_CACHE_L2_ENABLED
      GLOBAL_CONFIG_CACHE_TTL`,
  },
  accountCaches: {
    verdict: "meaningless",
    because: "users, teams and roles are one entry of one cache",
    names: `AUTH_CACHE_ENABLED AUTH_CACHE_TEAM_TTL AUTH_CACHE_ROLE_TTL AUTH_CACHE_TEAMS_ENABLED AUTH_CACHE_TEAMS_TTL
      AUTH_CACHE_BATCH_QUERIES TEAM_MEMBER_COUNT_CACHE_ENABLED TEAM_MEMBER_COUNT_CACHE_TTL
      TEAM_CACHE_ENABLED TEAM_CACHE_MEMBERS_TTL TEAM_CACHE_ROLE_TTL JWT_CACHE_ENABLED JWT_CACHE_MAX_SIZE`,
  },
  upstreamHealth: {
    verdict: "meaningless",
    because: "an upstream is asked in one way when it is registered, and is back as soon as it answers",
    instead: "GATEWAY_HEALTH_CHECK_TIMEOUT and UNHEALTHY_THRESHOLD",
    names: `GATEWAY_VALIDATION_TIMEOUT GATEWAY_ASYNC_LIFECYCLE_ENABLED GATEWAY_ASYNC_LIFECYCLE_POLL_INTERVAL
      GATEWAY_ASYNC_LIFECYCLE_ATTEMPT_TIMEOUT GATEWAY_ASYNC_LIFECYCLE_LEASE_SECONDS
      GATEWAY_ASYNC_LIFECYCLE_SHUTDOWN_TIMEOUT`,
  },
} as const satisfies Record<string, Family>;
