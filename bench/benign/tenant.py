"""The office's Microsoft 365 tenant on ordinary days: sign-ins, directory changes, what people do."""

import json
import random
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from bench.benign.scene import BROWSER, OFFICE_IP, PEOPLE, WORDS, Calendar, moments

Event = dict[str, Any]


def each(seed: int, calendar: Calendar) -> Iterator[tuple[str, str]]:
    """The tenant's files, and their text."""
    draw = random.Random(f"{seed}:tenant")
    signins = sorted(_signins(draw, calendar), key=lambda event: str(event["createdDateTime"]))
    audits = sorted(_audits(draw, calendar), key=lambda event: str(event["activityDateTime"]))
    for name, page, rows in (
        ("signins", "signIns", signins),
        ("audits", "directoryAudits", audits),
    ):
        context = f"https://graph.microsoft.com/v1.0/$metadata#auditLogs/{page}"
        yield f"entra/{name}.json", json.dumps({"@odata.context": context, "value": rows})
    office = sorted(_office(draw, calendar), key=lambda event: str(event["CreationTime"]))
    yield "m365/audit.json", "".join(json.dumps(event) + "\n" for event in office)


_HOME: Final = ("CH", "Zurich", OFFICE_IP)
_ELSEWHERE: Final = (
    ("CH", "Bern", "192.0.2.77"),
    ("DE", "Munich", "192.0.2.91"),
    ("IT", "Milan", "192.0.2.120"),
)


def _signins(draw: random.Random, calendar: Calendar) -> Iterator[Event]:
    for user in PEOPLE:
        for app, day in (
            ("Office 365 Exchange Online", 6.0),
            ("Microsoft Teams", 4),
            ("SharePoint Online", 3),
            ("Azure Portal", 1 if user == "nora" else 0),
        ):
            for when in moments(draw, calendar, "work", day=day):
                place = _HOME if draw.random() < 0.9 else draw.choice(_ELSEWHERE)
                yield signin(draw, when, user, app, place, 0)
        for code, day in ((50126, 0.4), (50074, 0.6), (50140, 0.5), (53003, 0.05)):
            for when in moments(draw, calendar, "work", day=day):
                yield signin(draw, when, user, "Office 365 Exchange Online", _HOME, code)
    for when in moments(draw, calendar, "any", day=12):
        # The internet tries passwords at names it has bought.
        place = (draw.choice(("BR", "VN", "RU", "US")), "-", f"203.0.113.{draw.randrange(1, 254)}")
        yield signin(
            draw,
            when,
            draw.choice(PEOPLE),
            "Office 365 Exchange Online",
            place,
            draw.choice((50126, 50126, 50053)),
        )


def signin(
    draw: random.Random, when: datetime, user: str, app: str, place: tuple[str, str, str], code: int
) -> Event:
    country, city, ip = place
    ident = f"{draw.getrandbits(64):016x}"
    return {
        "id": ident,
        "createdDateTime": f"{when:%Y-%m-%dT%H:%M:%SZ}",
        "userDisplayName": user.title(),
        "userPrincipalName": f"{user}@corp.example",
        "userId": f"u-{user}",
        "appId": f"app-{len(app)}",
        "appDisplayName": app,
        "ipAddress": ip,
        "clientAppUsed": "Browser",
        "userAgent": BROWSER,
        "correlationId": ident,
        "conditionalAccessStatus": "success" if code == 0 else "notApplied",
        "isInteractive": True,
        "authenticationRequirement": "multiFactorAuthentication",
        "riskState": "none",
        "riskLevelDuringSignIn": "none",
        "resourceDisplayName": app,
        "resourceTenantId": "t-corp",
        "homeTenantId": "t-corp",
        "status": {
            "errorCode": code,
            "failureReason": "Invalid username or password." if code == 50126 else "Other.",
        },
        "deviceDetail": {
            "deviceId": f"d-{user}" if country in ("CH", "DE", "IT") else "",
            "operatingSystem": "Windows10",
            "browser": "Chrome 124.0.0",
            "isCompliant": True,
            "isManaged": True,
            "trustType": "Hybrid Azure AD joined",
        },
        "location": {"city": city, "state": "", "countryOrRegion": country},
    }


_ADMIN: Final = (
    ("UserManagement", "Add user", 0.4, "new.colleague@corp.example", ()),
    ("UserManagement", "Reset user password", 0.6, "ivan@corp.example", ()),
    ("UserManagement", "Update user", 3, "julia@corp.example", (("Department", "Sales"),)),
    ("UserManagement", "Delete user", 0.2, "former.colleague@corp.example", ()),
    ("UserManagement", "User registered security info", 0.4, "karim@corp.example", ()),
    ("UserManagement", "Admin deleted security info", 0.2, "ivan@corp.example", ()),
    (
        "GroupManagement",
        "Add member to group",
        2,
        "hannah@corp.example",
        (("Group.DisplayName", "Staff"),),
    ),
    (
        "RoleManagement",
        "Add member to role completed (PIM activation)",
        0.6,
        "nora@corp.example",
        (("Role.DisplayName", "User Administrator"),),
    ),
    (
        "ApplicationManagement",
        "Consent to application",
        0.2,
        "Figma",
        (
            ("ConsentContext.IsAdminConsent", "True"),
            ("ConsentAction.Permissions", "Scope: openid profile email"),
        ),
    ),
    (
        "ApplicationManagement",
        "Update application – Certificates and secrets management ",
        0.2,
        "Reporting API",
        (),
    ),
    ("ApplicationManagement", "Add service principal", 0.2, "Figma", ()),
    ("Policy", "Update conditional access policy", 0.1, "Require MFA for guests", ()),
    ("Device", "Register device", 0.4, "PC-031", ()),
)


def _audits(draw: random.Random, calendar: Calendar) -> Iterator[Event]:
    for category, name, day, target, changed in _ADMIN:
        for when in moments(draw, calendar, "work", day=day):
            ident = f"{draw.getrandbits(64):016x}"
            yield {
                "id": f"Directory_{ident}",
                "category": category,
                "correlationId": ident,
                "result": "success",
                "resultReason": "",
                "activityDisplayName": name,
                "activityDateTime": f"{when:%Y-%m-%dT%H:%M:%SZ}",
                "loggedByService": "PIM" if "PIM" in name else "Core Directory",
                "operationType": "Update",
                "initiatedBy": {
                    "user": {
                        "id": "u-nora",
                        "displayName": None,
                        "userPrincipalName": "nora@corp.example",
                        "ipAddress": OFFICE_IP,
                        "roles": [],
                    },
                    "app": None,
                },
                "targetResources": [
                    {
                        "id": f"x-{len(target)}",
                        "displayName": target,
                        "type": "User" if "@" in target else "Other",
                        "userPrincipalName": target if "@" in target else None,
                        "modifiedProperties": [
                            {"displayName": key, "oldValue": None, "newValue": json.dumps(value)}
                            for key, value in changed
                        ],
                    }
                ],
                "additionalDetails": [],
            }


_DEEDS: Final[tuple[tuple[str, int, str, float], ...]] = (
    ("SharePoint", 6, "FileAccessed", 14),
    ("SharePoint", 6, "FileDownloaded", 4),
    ("SharePoint", 6, "FileModified", 8),
    ("OneDrive", 6, "FileSyncDownloadedFull", 10),
    ("SharePoint", 14, "SharingSet", 0.5),
    ("SharePoint", 14, "AnonymousLinkCreated", 0.1),
    ("Exchange", 50, "MailItemsAccessed", 20),
    ("Exchange", 2, "SendAs", 0.1),
    ("Exchange", 2, "MoveToDeletedItems", 4),
    ("MicrosoftTeams", 25, "TeamsSessionStarted", 2),
    ("AzureActiveDirectory", 15, "UserLoggedIn", 6),
)
_RULES: Final = (
    (
        0.1,
        "New-InboxRule",
        (
            ("Name", "Newsletters"),
            ("SubjectContainsWords", "newsletter"),
            ("MoveToFolder", "Newsletters"),
        ),
    ),
    (
        0.03,
        "Set-InboxRule",
        (
            ("Name", "Build mails"),
            ("From", "ci@corp.example"),
            ("MoveToFolder", "Builds"),
            ("MarkAsRead", "True"),
        ),
    ),
)


def _office(draw: random.Random, calendar: Calendar) -> Iterator[Event]:
    for user in PEOPLE:
        for workload, kind, name, day in _DEEDS:
            for when in moments(draw, calendar, "work", day=day):
                path = f"https://corp.sharepoint.com/sites/{draw.choice(WORDS)}/{draw.choice(WORDS)}.xlsx"
                yield deed(draw, when, user, workload, kind, name) | {
                    "ObjectId": path,
                    "ItemType": "File",
                    "UserAgent": BROWSER,
                }
        for day, name, given in _RULES:
            for when in moments(draw, calendar, "work", day=day):
                yield deed(draw, when, user, "Exchange", 1, name) | {
                    "ObjectId": f"EX\\{user}",
                    "Parameters": [{"Name": key, "Value": value} for key, value in given],
                }
    for when in moments(draw, calendar, "work", day=0.6):
        yield deed(draw, when, "nora", "Exchange", 1, "Set-Mailbox") | {
            "ObjectId": "hannah",
            "Parameters": [
                {"Name": "Identity", "Value": "hannah"},
                {"Name": "ProhibitSendQuota", "Value": "50 GB"},
            ],
        }
    for when in moments(draw, calendar, "work", day=0.3):
        yield deed(draw, when, "nora", "Exchange", 1, "Add-MailboxPermission") | {
            "ObjectId": "info",
            "Parameters": [
                {"Name": "Identity", "Value": "info"},
                {"Name": "User", "Value": "julia"},
                {"Name": "AccessRights", "Value": "FullAccess"},
            ],
        }


def deed(
    draw: random.Random, when: datetime, user: str, workload: str, kind: int, name: str
) -> Event:
    return {
        "CreationTime": f"{when:%Y-%m-%dT%H:%M:%S}",
        "Id": f"{draw.getrandbits(128):032x}",
        "Operation": name,
        "OrganizationId": "o-corp",
        "RecordType": kind,
        "ResultStatus": "Succeeded",
        "UserKey": f"k-{user}",
        "UserType": 0,
        "Version": 1,
        "Workload": workload,
        "ClientIP": OFFICE_IP,
        "UserId": f"{user}@corp.example",
    }
