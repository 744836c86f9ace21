<?php
// Installs a site, and prints the application password of a user of each role.
define('WP_INSTALLING', true);
require $argv[1] . '/wp-load.php';
require ABSPATH . 'wp-admin/includes/upgrade.php';

function wp_new_blog_notification() {}

wp_install('The Garden', 'administrator', 'administrator@example.com', true, '', 'not used');
switch_theme('plain');
$GLOBALS['wp_rewrite']->set_permalink_structure('/%postname%/');
$GLOBALS['wp_rewrite']->flush_rules(false);
$passwords = [];
foreach (['administrator', 'editor', 'author', 'contributor', 'subscriber'] as $role) {
    $user = get_user_by('login', $role);
    $id = $user ? $user->ID : wp_insert_user([
        'user_login' => $role, 'user_pass' => 'not used', 'role' => $role,
        'user_email' => "$role@example.com", 'display_name' => ucfirst($role),
    ]);
    $passwords[$role] = WP_Application_Passwords::create_new_application_password($id, ['name' => 'Tests'])[0];
}
echo json_encode($passwords);
