-- By which lists of who has a badge go on.
create index badge_assignment_of_badge on badge_assignment (tenant_id, badge_id, id desc);
