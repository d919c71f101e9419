"""Mail that is phishing, impersonation, a scam, spam, or carries malware."""
