"""The SIP stack: values (grammar, uri, headers, message, sdp, digest), machines (transactions, dialogs, sessions), edges."""
