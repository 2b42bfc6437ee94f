"""The SIP stack: values (grammar, headers, message, sdp), machines (transactions, dialogs, sessions), edges."""
